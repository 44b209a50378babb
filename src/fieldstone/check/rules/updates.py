"""Changes of rows that exist: values that are written by mistake, and changes that never are."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.events import Called, Read
from fieldstone.check.fields import Column, is_ellipsis
from fieldstone.check.findings import Problem, Severity
from fieldstone.check.lookup import method_of
from fieldstone.check.models import Model, model
from fieldstone.check.modules import Function
from fieldstone.check.registry import File, rule
from fieldstone.check.routes import parameters_of, route_of
from fieldstone.check.trees import walk
from fieldstone.check.values import Instance, Object, Select, Status

DUMPS = frozenset({"model_dump", "dict"})
# Arguments under which a dump leaves out, or chooses, what it gives.
CHOOSING = frozenset({"exclude_unset", "exclude_none", "exclude_defaults", "include", "**"})
DESCRIBING = names.FIELDS | {"pydantic.Field"}


@rule(
    "FS403",
    "update-without-exclude-unset",
    Called,
    severity=Severity.ERROR,
    calls={"setattr", "sqlmodel_update", "values"},
)
def update_without_exclude_unset(call: Called, file: File) -> Iterator[Problem]:
    """All fields of a schema are written, also those that the client did not send.

    A field that was left out has its default in the dump, so that changing the title alone sets every
    other column to None: data is lost, and the answer is 200.

    Bad:
        for name, value in changes.model_dump().items():
            setattr(task, name, value)

    Good:
        for name, value in changes.model_dump(exclude_unset=True).items():
            setattr(task, name, value)

    Fine:
    Schemas with required fields, which replace the whole row, and loops that skip None.
    """
    written = written_data(call)
    if written is None:
        return
    source = origin_of(written, call.place.function)
    data = dumped(source)
    schema = schema_of(data, call) if data else None
    if schema is None or not partial(schema, call.place.function) or is_new(call):
        return
    text = file.module.text(data) if data else ""
    yield Problem(
        source,
        f"What the client leaves out of `{text}` is written as its default: the columns lose their values.",
        f"Write `{text}.model_dump(exclude_unset=True)`.",
    )


def written_data(call: Called) -> ast.expr | None:
    """The expression whose items a call writes to a row that exists."""
    match call.node:
        case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Name(id=name), value]):
            return looped(call, name, value) if isinstance(call.arguments[0], Instance) else None
        case ast.Call(func=ast.Attribute(attr="sqlmodel_update"), args=[given, *_]):
            return given if isinstance(call.receiver, Instance) else None
        case ast.Call(func=ast.Attribute(attr="values")) as node:
            updates = isinstance(call.receiver, Select) and call.receiver.kind == "update"
            whole = [*node.args, *(k.value for k in node.keywords if k.arg is None)]
            return whole[0] if updates and len(whole) == 1 else None
        case _:
            return None


def looped(call: Called, name: str, value: ast.expr) -> ast.expr | None:
    """What a loop goes through that sets each name to its value, whatever the value is."""
    if not call.place.loops or not isinstance(call.place.loops[-1].node, ast.For):
        return None
    loop = call.place.loops[-1].node
    match loop:
        case ast.For(
            target=ast.Tuple(elts=[ast.Name(id=key), ast.Name(id=item)]),
            iter=ast.Call(func=ast.Attribute(value=source, attr="items"), args=[]),
        ) if key == name and isinstance(value, ast.Name) and value.id == item:
            return None if chosen(loop, item) else source
        case _:
            return None


def chosen(loop: ast.For, item: str) -> bool:
    """Whether a loop looks at a value, or at what was sent, before it writes it."""
    for node in walk(loop):
        test = node.test if isinstance(node, ast.If | ast.IfExp) else None
        if test is not None and any(
            (isinstance(inner, ast.Name) and inner.id == item)
            or (isinstance(inner, ast.Attribute) and inner.attr.endswith("fields_set"))
            for inner in walk(test)
        ):
            return True
    return False


def origin_of(node: ast.expr, function: Function) -> ast.expr:
    """The expression that a name was given, if it was given one only."""
    if not isinstance(node, ast.Name):
        return node
    bound = [n for n in walk(function.node) if isinstance(n, ast.Name) and n.id == node.id]
    if sum(isinstance(n.ctx, ast.Store) for n in bound) != 1:
        return node
    for statement in walk(function.node):
        if isinstance(statement, ast.Assign) and names.dotted(statement.targets[0]) == node.id:
            return statement.value
    return node


def dumped(node: ast.expr) -> ast.Name | None:
    """The name of what is written whole: of a schema that is dumped, or handed on as it is."""
    match node:
        case ast.Name():
            return node
        case ast.Call(func=ast.Attribute(value=ast.Name() as data, attr=method), args=[], keywords=given):
            whole = method in DUMPS and not any((k.arg or "**") in CHOOSING for k in given)
            return data if whole else None
        case _:
            return None


def schema_of(data: ast.Name, call: Called) -> Model | None:
    """The schema of a parameter that nothing else is assigned to."""
    function = call.place.function
    if data.id not in {argument.arg for argument, _ in parameters_of(function)}:
        return None
    if any(
        isinstance(n, ast.Name) and n.id == data.id and n.ctx != data.ctx and isinstance(n.ctx, ast.Store)
        for n in walk(function.node)
    ):
        return None
    value = call.state.names.get(data.id)
    found = model(function.module.project, value.address) if isinstance(value, Object) else None
    if found is None or not found.schema or found.open:
        return None
    own = any(method_of(found.project, found.address, name) for name in DUMPS)
    return None if own else found


def partial(schema: Model, function: Function) -> bool:
    """Whether a schema is for changes: all may be left out, or a PATCH lets some become None."""
    fields = [field for field in schema.columns.values() if field.annotation is not None]
    some = any(is_none_by_default(field) for field in fields)
    route = route_of(function)
    return some and (
        all(may_be_left_out(field) for field in fields) or bool(route and route.method == "patch")
    )


def may_be_left_out(field: Column) -> bool:
    """Whether validation can do without the field."""
    if isinstance(field.value, ast.Call) and field.maker in DESCRIBING:
        said = default_of(field)
        return said is not None and not is_ellipsis(said)
    return field.value is not None and not is_ellipsis(field.value)


def is_none_by_default(field: Column) -> bool:
    """Whether a field that is left out becomes None."""
    said = default_of(field) if field.maker in DESCRIBING else field.value
    return isinstance(said, ast.Constant) and said.value is None


def default_of(field: Column) -> ast.expr | None:
    """What a described field says of its default."""
    call = field.value
    if not isinstance(call, ast.Call):
        return None
    return names.argument(call, 0, "default") or names.keyword(call, "default_factory")


def is_new(call: Called) -> bool:
    """Whether the row is one that the function itself has made."""
    row = call.arguments[0] if call.method is None and call.arguments else call.receiver
    thing = call.state.thing(row)
    if thing is None:
        return False
    made = (
        node
        for node in walk(call.place.function.node)
        if isinstance(node, ast.Call) and node.lineno == thing.origin
    )
    return thing.status is Status.TRANSIENT or any(
        call.place.module.address(node.func) == thing.model for node in made
    )


# Methods that change a list, dict or set in its place.
CHANGING = frozenset(
    {
        "append",
        "extend",
        "insert",
        "remove",
        "pop",
        "popitem",
        "clear",
        "update",
        "setdefault",
        "add",
        "discard",
        "sort",
        "reverse",
    }
)
UNTRACKED = frozenset(
    {
        "sqlalchemy.JSON",
        "sqlalchemy.ARRAY",
        "sqlalchemy.PickleType",
        "sqlalchemy.types.JSON",
        "sqlalchemy.dialects.postgresql.JSON",
        "sqlalchemy.dialects.postgresql.JSONB",
        "sqlalchemy.dialects.postgresql.ARRAY",
        "sqlalchemy.dialects.sqlite.JSON",
        "sqlalchemy.dialects.mysql.JSON",
    }
)
SAVING = frozenset({"commit", "flush", "add"})


@rule("FS404", "untracked-json-mutation", Read, severity=Severity.ERROR)
def untracked_json_mutation(read: Read, file: File) -> Iterator[Problem]:
    """A JSON or ARRAY column of a row is changed in its place.

    SQLAlchemy sees that an attribute is set, not that the dict or list in it changes: the commit sends
    no UPDATE, and the change is gone after the request.

    Bad:
        task.meta["seen"] = True
        session.commit()

    Good:
        task.meta = {**task.meta, "seen": True}
        session.commit()

    Fine:
    `flag_modified(task, "meta")`, and columns of type `MutableDict.as_mutable(JSON)`.
    """
    if not read.column or read.thing.status is not Status.PERSISTENT or read.name in read.thing.kept:
        return
    changed = changing(read.node, file)
    if changed is None or not untracked(read.model.columns[read.name]) or taken_care_of(read):
        return
    text, row = file.module.text(read.node), file.module.text(read.node.value)
    yield Problem(
        changed,
        f"SQLAlchemy does not see that `{text}` changes in its place: the commit writes nothing of it.",
        f'Set it anew, `{text} = ...`, or call `flag_modified({row}, "{read.name}")`.',
    )


def changing(node: ast.Attribute, file: File) -> ast.AST | None:
    """The place where the value of an attribute, or an item in it, is changed."""
    parents = file.module.parents
    inner: ast.AST = node
    above = parents.get(inner)
    while isinstance(above, ast.Subscript) and above.value is inner:
        if not isinstance(above.ctx, ast.Load):
            return above
        inner, above = above, parents.get(above)
    if isinstance(above, ast.Attribute) and above.attr in CHANGING:
        called = parents.get(above)
        return called if isinstance(called, ast.Call) and called.func is above else None
    return None


def untracked(column: Column) -> bool:
    """Whether a column holds a JSON document or array whose changes nothing watches."""
    spelled = [
        node
        for part in (column.value, column.annotation)
        for node in (walk(part) if part is not None else ())
        if isinstance(node, ast.Name | ast.Attribute)
    ]
    addresses = {column.module.address(node) for node in spelled}
    watched = any("Mutable" in (names.dotted(node) or "") for node in spelled)
    return bool(addresses & UNTRACKED) and not watched and "associate_with(" not in column.module.code


def taken_care_of(read: Read) -> bool:
    """Whether a function writes the attribute in another way, or does not save at all."""
    saved = False
    for node in walk(read.place.function.node):
        if isinstance(node, ast.Call):
            if marks(node, read.name):
                return True
            saved = saved or (node.lineno >= read.node.lineno and saves(node))
        targets = node.targets if isinstance(node, ast.Assign) else ()
        if any(isinstance(target, ast.Attribute) and target.attr == read.name for target in targets):
            return True
    return not saved


def marks(call: ast.Call, name: str) -> bool:
    """Whether a call writes an attribute anew, or says that it was changed."""
    called = (names.dotted(call.func) or "").rpartition(".")[2]
    if isinstance(call.func, ast.Attribute) and call.func.attr == "values":
        return bool(call.args) or any(k.arg in {name, None} for k in call.keywords)
    said = names.literal(call.args[1]) if len(call.args) > 1 else None
    return called in {"flag_modified", "setattr"} and said in {name, None}


def saves(call: ast.Call) -> bool:
    """Whether a call sends the changes of a session."""
    func = call.func
    return isinstance(func, ast.Attribute) and func.attr in SAVING
