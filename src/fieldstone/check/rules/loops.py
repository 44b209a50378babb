"""What is done once for each row, and could be done once for all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.annotations import SESSION_NAMES
from fieldstone.check.binding import bound_in, mentions
from fieldstone.check.callers import Passed, passed, read_inside
from fieldstone.check.events import Called, Loop, Place, Read
from fieldstone.check.fields import Relation
from fieldstone.check.findings import Problem
from fieldstone.check.lookup import last_name
from fieldstone.check.models import Model, table
from fieldstone.check.modules import Module, blocks
from fieldstone.check.registry import File, Tier, rule
from fieldstone.check.routes import parameters_of
from fieldstone.check.sessioncalls import STATEMENTS
from fieldstone.check.statements import QUERY_ENDS
from fieldstone.check.trees import walk
from fieldstone.check.values import Many, Select, Session, Status, Thing

# Names that say that a loop is over few things of many rows each, or over tries.
FEW = re.compile(
    r"(?:^|[_.])(?:batch|chunk|attempt|retry|retries|tries|offset|window|shard)(?:e?s|ed)?(?:$|[_.])"
)
WRITING = re.compile(r"\s*(?:insert|update|delete)\b", re.IGNORECASE)
SENDING = frozenset({"exec", "execute", "scalars", "scalar"})
COUNTING = frozenset({"range", "batched", "count", "chunked", "repeat"})


@rule("FS301", "query-in-loop", Called, calls={*STATEMENTS, *QUERY_ENDS, *SENDING})
def query_in_loop(call: Called, file: File) -> Iterator[Problem]:
    """A statement is sent for each element of a loop.

    A hundred rows mean a hundred round trips to the database, one after the other (N+1). One statement
    with `in_()`, a join or GROUP BY gives the same rows in one.

    Bad:
        for entry in entries:
            actor = session.get(Worker, entry.actor_id)

    Good:
        keys = {entry.actor_id for entry in entries}
        actors = {actor.id: actor for actor in session.exec(select(Worker).where(col(Worker.id).in_(keys)))}

    Fine:
    Loops over batches, retries, and loops that end after the statement.
    """
    if file.module.facts.trial or file.module.script or not sends(call):
        return
    loop = repeated(call.place, call.node, file.module)
    if loop is None or takes_batches(call, loop):
        return
    each = file.module.text(loop.node.target) if not isinstance(loop.node, ast.While) else "turn"
    yield Problem(
        call.node,
        f"A statement is sent for each `{each}`: as many round trips as there are elements.",
        instead(call, file.module),
    )


def instead(call: Called, module: Module) -> str:
    """What to write: rows are read together, and written together."""
    given = call.arguments[0] if call.arguments else None
    texts = [n.value for n in walk(call.node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    if any(WRITING.match(text) for text in texts):
        return (
            f"Give all values to one call after the loop: `{module.text(call.node.func)}(text(...), [...])`."
        )
    if not isinstance(given, Select) or given.kind not in {"insert", "update", "delete"}:
        return "Read all rows before the loop, in one statement with `in_()`, a join or `group_by()`."
    if given.kind == "delete":
        return "Delete all rows in one statement: `delete(...).where(....in_(keys))`."
    spelled = module.text(call.node.func)
    return f"Collect the values, and send them at once after the loop: `{spelled}({given.kind}(...), [...])`."


def sends(call: Called) -> bool:
    """Whether a call sends a statement to the database."""
    if isinstance(call.receiver, Session):
        return call.method in STATEMENTS and (call.session is not None)
    if isinstance(call.receiver, Select):
        return call.receiver.kind == "query" and call.method in QUERY_ENDS
    given = call.arguments[0] if call.arguments else None
    return call.method in SENDING and isinstance(given, Select)


def repeated(place: Place, node: ast.Call, module: Module) -> Loop | None:
    """The innermost loop over rows on whose variable a call depends; None for other loops."""
    for loop in reversed(place.loops):
        if isinstance(loop.node, ast.While) or gives_session(loop):
            continue
        if mentions(node, loop.names):
            return loop if over_rows(loop, module) and not ends_after(node, loop, module) else None
    return None


def gives_session(loop: Loop) -> bool:
    """Whether a loop only opens a session: `async for session in get_session()`."""
    if isinstance(loop.node, ast.While):
        return False
    element = loop.iterated.element if isinstance(loop.iterated, Many) else loop.iterated
    named = isinstance(loop.node.target, ast.Name) and loop.node.target.id in SESSION_NAMES
    return isinstance(element, Session) or named


def over_rows(loop: Loop, module: Module) -> bool:
    """Whether a loop is over elements of which there may be many."""
    if isinstance(loop.node, ast.While):
        return False
    iterated = loop.node.iter
    target = module.text(loop.node.target)
    called = iterated.func if isinstance(iterated, ast.Call) else None
    last = (names.dotted(called) or "").rpartition(".")[2] if called is not None else ""
    if last in COUNTING or FEW.search(last) or FEW.search(target):
        return False
    source = unwrapped(iterated)
    if isinstance(source, ast.Name):
        source = assigned_once(source, module) or source
    if is_few(source) or is_enumeration(source, module):
        return False
    return not FEW.search(names.dotted(iterated) or "")


def unwrapped(node: ast.expr) -> ast.expr:
    """What is gone through: `rows` of `enumerate(rows)` and of `rows.items()`."""
    while isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in {"items", "keys", "values"}:
            node = node.func.value
        elif names.dotted(node.func) in {"enumerate", "sorted", "list", "reversed"} and node.args:
            node = node.args[0]
        else:
            break
    return node


def is_enumeration(node: ast.expr, module: Module) -> bool:
    """Whether an expression is a class of the project that lists its members."""
    address = module.address(node)
    classes = module.project.classes
    above = module.project.ancestry(address) if address in classes and address else ()
    return any(name.startswith("enum.") for name in above)


def is_few(node: ast.expr) -> bool:
    """Whether an expression is a list as long as it is written, or slices of a list."""
    if isinstance(node, ast.ListComp):
        return isinstance(node.elt, ast.Subscript) and isinstance(node.elt.slice, ast.Slice)
    parts = node.values if isinstance(node, ast.Dict) else getattr(node, "elts", None)
    return parts is not None and bool(parts) and not any(isinstance(part, ast.Starred) for part in parts)


def assigned_once(name: ast.Name, module: Module) -> ast.expr | None:
    """The one expression that a name is given, in the function around it or at the top of the module."""
    around = next(
        (a for a in module.above(name) if isinstance(a, ast.FunctionDef | ast.AsyncFunctionDef)), None
    )
    for body in (walk(around) if around else (), module.bindings.get(name.id, ())):
        given = [
            node.value
            for node in body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            and name.id
            in {names.dotted(t) for t in getattr(node, "targets", [getattr(node, "target", None)])}
        ]
        if given:
            changed = any(
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and names.dotted(node.func.value) == name.id
                and node.func.attr in {"append", "extend", "add", "update", "insert"}
                for node in walk(around or module.tree)
            )
            return given[0] if len(given) == 1 and not changed else None
    return None


def ends_after(node: ast.AST, loop: Loop, module: Module) -> bool:
    """Whether the loop surely ends after a node: its block returns, breaks or raises."""
    if not loop.statement:
        return False
    inner = node
    for above in module.above(node):
        for block in blocks(above) if isinstance(above, ast.stmt) else ():
            if inner in block and isinstance(block[-1], ast.Return | ast.Break | ast.Raise):
                return True
        if above is loop.node:
            return False
        inner = above
    return False


WHOLE = frozenset(
    {"in_", "not_in", "notin_", "any_", "values", "select", "insert", "update", "delete", "query", "text"}
)


def takes_batches(call: Called, loop: Loop) -> bool:
    """Whether the statement takes the loop's variable as a whole: `in_(batch)`, `insert(table)`.

    Or the loop is over statements.
    """
    first = call.node.args[0] if call.node.args else None
    own = bound_in(loop.node.target) if not isinstance(loop.node, ast.While) else set()
    if isinstance(first, ast.Name) and first.id in own and call.method not in QUERY_ENDS | {"get", "get_one"}:
        return True
    return any(
        isinstance(inner, ast.Call)
        and (last := spelled(inner, call.place.module)) in WHOLE
        and any(
            (isinstance(given, ast.Name) and given.id in loop.names)
            or (given is not None and last == "text" and mentions(given, loop.names))
            for given in (*inner.args, getattr(inner.func, "value", None))
        )
        for part in [call.node, *assigned_before(call, loop)]
        for inner in walk(part)
    )


def spelled(call: ast.Call, module: Module) -> str:
    """The last name of what is called, whatever an import calls it."""
    address = module.address(call.func) or ":"
    return last_name(call) if ":" in address else address.rpartition(".")[2]


def assigned_before(call: Called, loop: Loop) -> list[ast.expr]:
    """What a loop's body assigns to the names that a call is given: the statement, mostly."""
    given = {node.id for part in call.node.args for node in walk(part) if isinstance(node, ast.Name)}
    return [
        node.value
        for part in loop.body
        for node in walk(part)
        if isinstance(node, ast.Assign) and any(names.dotted(target) in given for target in node.targets)
    ]


@rule("FS302", "relationship-in-loop", Read)
def relationship_in_loop(read: Read, file: File) -> Iterator[Problem]:
    """A relationship that the query did not load is read for each of its rows.

    Each read sends a statement of its own (N+1): a list of a hundred tasks takes a hundred and one.

    Bad:
        for task in session.exec(select(Task)):
            print(task.project.name)

    Good:
        for task in session.exec(select(Task).options(selectinload(Task.project))):
            print(task.project.name)

    Fine:
    Relationships with `lazy="selectin"` or `"joined"` are loaded with their rows. Where the query fixes the
    parent, `where(Task.project_id == key)`, the first turn loads it and the others find it in the session.
    """
    thing, relation = read.thing, read.relation
    if relation is None or relation.lazy != "select" or file.module.facts.trial or file.module.script:
        return
    if one_parent(read.model, relation, thing):
        return
    path = f"{read.model.name}.{read.name}"
    called = passed_in_loop(read, file)
    if called:
        yield Problem(
            read.node,
            f"`{called.caller}` calls this for each row, and `{path}` is not loaded: a statement each time.",
            f"Add `.options(selectinload({path}))` to the query in `{called.caller}`.",
        )
    if thing.has(read.name) or (
        thing.status is not Status.PERSISTENT
        or read.session is None
        or read.session.asynchronous is not False
    ):
        return
    loop = next((loop for loop in read.place.loops if mentions(read.node.value, loop.names)), None)
    if loop is None or isinstance(loop.node, ast.While) or read_inside(thing, loop):
        return
    yield Problem(
        read.node,
        f"`{path}` is not loaded with its rows: each turn of the loop sends a statement.",
        f"Add `.options(selectinload({path}))` to the query.",
    )


def one_parent(owner: Model, relation: Relation, thing: Thing) -> bool:
    """Whether all rows of a query have one parent, since it says which: one statement loads it."""
    target = table(owner.project, relation.target)
    if relation.many or target is None:
        return False
    keys = [column.foreign_key or "" for column in owner.columns.values() if column.foreign_key]
    leading = [
        name
        for name, column in owner.columns.items()
        if (column.foreign_key or "").rpartition(".")[0].rpartition(".")[2] == target.tablename
    ]
    return "?" not in keys and len(leading) == 1 and leading[0] in thing.fixed


def passed_in_loop(read: Read, file: File) -> Passed | None:
    """The call that passes the function rows in a loop whose query did not load the relationship."""
    name, function = read.node.value, read.place.function
    if read.thing.status is not Status.UNKNOWN or read.session or not isinstance(name, ast.Name):
        return None
    if name.id not in {argument.arg for argument, _ in parameters_of(function)}:
        return None
    for one in passed(file.analysis, function, name.id):
        if one.repeated and not one.asynchronous and not one.thing.has(read.name):
            relation = read.model.relations[read.name]
            return None if one_parent(read.model, relation, one.thing) else one
    return None


@rule("FS402", "commit-in-loop", Called, tier=Tier.OPT_IN, calls={"commit"})
def commit_in_loop(call: Called, file: File) -> Iterator[Problem]:
    """A transaction is committed for each element of a loop.

    Each commit waits for the disk, and an error in the middle leaves the elements before it written
    and those after it not: half a request is saved.

    Bad:
        for name, value in data.items():
            setattr(task, name, value)
            session.commit()

    Good:
        for name, value in data.items():
            setattr(task, name, value)
        session.commit()

    Fine:
    Batches, and retries that end with the first success.
    """
    if call.method != "commit" or not isinstance(call.receiver, Session) or file.module.facts.trial:
        return
    loops = [loop for loop in call.place.loops if loop.statement and not isinstance(loop.node, ast.While)]
    if not loops or not all(over_rows(loop, file.module) for loop in loops):
        return
    if ends_after(call.node, loops[-1], file.module):
        return
    yield Problem(
        call.node,
        "Each turn of the loop is committed by itself: an error in the middle leaves half of it written.",
        f"Write `{file.module.text(call.node)}` once, after the loop.",
    )
