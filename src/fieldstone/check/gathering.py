"""A syntax tree to the facts of its file.

Every file is read this far, so it looks only at statements that bind names at the top of the module;
whether a file holds anything for a rule is seen from its text, before it is parsed.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from fieldstone.check import names
from fieldstone.check.facts import ClassFacts, FileFacts, NameKind, SessionMaker
from fieldstone.check.parsing import Unparsable, decoded, parse
from fieldstone.check.trees import walk

# A file without any of these holds no session, no model and no route.
MARKERS = (
    *("sqlmodel", "sqlalchemy", "fieldstone", "fastapi", "session", "Session", "SQLModel", "Mapped["),
    *(".commit(", ".exec(", ".execute(", "declared_attr", "Depends(", "_repo", "_service", "Repository"),
    "relationship",
)
DATABASE = re.compile(r"\bdb\b")
LONGEST_SCHEME = 60
SCHEME = re.compile(r"""\b(sqlite|postgres(?:ql)?|mysql|mariadb|oracle|mssql)(\+\w+)?:/""")
LONGEST_NAME = 100  # or a file that is one long word would take for ever
CHANGE = re.compile("updat|modif|chang|edited")
# What follows a name of a change where it is set: `task.updated_at = ...`, `{"updated_at": ...}`,
# `setattr(task, "updated_at", ...)` and `values(updated_at=now())`; a function that returns the name gives
# it to who sets it.
SET = re.compile(r"\s*(?:=(?!=)|:\s*\w+\s*=)")
SET_AS_KEY = re.compile(r"['\"]\s*(:|\]\s*=(?!=))")
SET_BY_NAME = re.compile(r"(?:setattr\(\s*[\w.]+\s*,\s*|\breturn\s+)['\"]\Z")
SET_TO_NOW = re.compile(r"\s*=\s*(?:datetime|func|sa\.func|text|_?utc|now|time)")


@dataclass
class Names:
    """What the top of a module binds."""

    imports: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    kinds: dict[str, NameKind] = field(default_factory=dict)
    classes: list[ClassFacts] = field(default_factory=list)


Keep = Callable[[FileFacts, str, ast.Module], None]


def dropped(facts: FileFacts, source: str, tree: ast.Module) -> None:
    """Keep nothing of a file but its facts."""


def gather(path: Path, relative: str, keep: Keep = dropped) -> FileFacts:
    """Read one file and tell what the others need to know of it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return unreadable(relative, b"", Unparsable(1, f"cannot be read: {error.strerror}"))
    return gather_from(content, relative, keep)


def gather_from(content: bytes, relative: str, keep: Keep = dropped) -> FileFacts:
    """Tell the facts of a file that has this content."""
    try:
        source = decoded(content)
    except Unparsable as error:
        return unreadable(relative, content, error)
    return gather_text(source, relative, content, keep)


def gather_text(source: str, relative: str, content: bytes, keep: Keep = dropped) -> FileFacts:
    """Tell the facts of a file that has this text; its content is what it is known again by."""
    try:
        tree = parse(source)
        facts = facts_of(tree, source, relative, digest(content))
        keep(facts, source, tree)
        return facts
    except Unparsable as error:
        return unreadable(relative, content, error)
    except RecursionError:
        return unreadable(relative, content, Unparsable(1, "is nested too deeply"))


def digest(content: bytes) -> str:
    """Fingerprint content, to know a file again that did not change."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def unreadable(relative: str, content: bytes, error: Unparsable) -> FileFacts:
    """Keep a file that tells nothing, so that it is reported."""
    module, package = module_name(relative)
    return FileFacts(
        relative, module, package, digest(content), content.count(b"\n"), error=(error.line, error.reason)
    )


def module_name(relative: str) -> tuple[str, bool]:
    """Name a module by its place below the root: `backend/app/db.py` is `backend.app.db`."""
    pure = PurePosixPath(relative.replace("\\", "/"))
    parts = [*pure.parts[:-1], pure.stem]
    package = parts[-1] == "__init__"
    return ".".join(parts[:-1] if package else parts), package


def facts_of(tree: ast.Module, source: str, relative: str, fingerprint: str) -> FileFacts:
    """Tell the facts of a parsed file."""
    module, package = module_name(relative)
    bound = Names()
    bind(tree.body, bound, module if package else module.rpartition(".")[0])
    matters = any(marker in source for marker in MARKERS) or DATABASE.search(source) is not None
    makers = tuple(session_makers(tree, source, bound.imports)) if matters else ()
    return FileFacts(
        relative,
        module,
        package,
        fingerprint,
        source.count("\n") + 1,
        matters=matters,
        imports=bound.imports,
        stars=tuple(bound.stars),
        names=bound.kinds,
        classes=tuple(bound.classes),
        makers=makers,
        schemes=tuple(sorted(set(schemes(source)))),
        assigned=tuple(sorted(set(assigned(source)))) if matters else (),
        depends=tuple(sorted(set(depended(tree)))) if "Depends(" in source or "Security(" in source else (),
        handmade="Table" in source and makes_tables(tree, source, bound),
        meaning=digest(uncommented(source).encode("utf-8", "surrogatepass")),
    )


def uncommented(source: str) -> str:
    """Leave out blank lines and those that are a comment, which change what is found in no other file."""
    return "\n".join([line for line in source.split("\n") if (start := line.lstrip()) and start[0] != "#"])


def bind(body: list[ast.stmt], bound: Names, package: str) -> None:
    """Collect what statements at the top of a module bind, also below `if` and `try`."""
    for statement in flat(body):
        match statement:
            case ast.Import(names=aliases):
                for alias in aliases:
                    top = alias.name if alias.asname else alias.name.partition(".")[0]
                    bound.imports[alias.asname or top] = top
            case ast.ImportFrom():
                bind_from(statement, bound, package)
            case ast.ClassDef(name=name):
                bound.kinds[name] = "class"
                bound.classes.append(class_facts(statement))
            case ast.FunctionDef(name=name):
                bound.kinds[name] = "def"
            case ast.AsyncFunctionDef(name=name):
                bound.kinds[name] = "async def"
            case ast.Assign(targets=targets):
                bound.kinds.update((n, "value") for target in targets for n in target_names(target))
            case ast.AnnAssign(target=ast.Name(id=name)):
                bound.kinds[name] = "value"
            case _:
                pass


def flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Walk statements that run at import, whatever they stand below."""
    for statement in body:
        yield statement
        match statement:
            case ast.If():
                yield from flat(statement.body)
                yield from flat(statement.orelse)
            case ast.Try() | ast.TryStar():
                yield from flat(statement.body)
                for handler in statement.handlers:
                    yield from flat(handler.body)
                yield from flat(statement.orelse)
            case ast.With():
                yield from flat(statement.body)
            case _:
                pass


def bind_from(statement: ast.ImportFrom, bound: Names, package: str) -> None:
    """Bind what a `from` import names; relative ones by the package they stand in."""
    source = statement.module or ""
    if statement.level:
        base = package.split(".")
        base = base[: len(base) - statement.level + 1]
        source = "." + ".".join([*base, *([source] if source else [])])
    for alias in statement.names:
        if alias.name == "*":
            bound.stars.append(source)
        else:
            bound.imports[alias.asname or alias.name] = (
                f"{source}.{alias.name}" if source != "." else f".{alias.name}"
            )


def target_names(target: ast.expr) -> Iterator[str]:
    """List the plain names that an assignment binds."""
    match target:
        case ast.Name(id=name):
            yield name
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                yield from target_names(element)
        case ast.Starred(value=value):
            yield from target_names(value)
        case _:
            pass


def class_facts(node: ast.ClassDef) -> ClassFacts:
    """Tell of a class what decides whether it is a table, and what it declares."""
    table = next((names.literal(given.value) for given in node.keywords if given.arg == "table"), None)
    bases = tuple(names.dotted(unsubscripted(base)) or "?" for base in node.bases)
    fields = tuple(
        s.target.id for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
    )
    methods: dict[str, bool] = {}
    for s in node.body:
        if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef):
            methods.setdefault(s.name, isinstance(s, ast.AsyncFunctionDef))
    abstract = any(
        isinstance(s, ast.Assign) and names.dotted(s.targets[0]) == "__abstract__" for s in node.body
    )
    said = table if isinstance(table, bool) else None
    return ClassFacts(node.name, bases, said, tablename(node), node.lineno, fields, abstract, methods)


def unsubscripted(node: ast.expr) -> ast.expr:
    """Take `Base` from `Base[T]`."""
    return node.value if isinstance(node, ast.Subscript) else node


def tablename(node: ast.ClassDef) -> str | None:
    """Read `__tablename__`; "?" where it is computed."""
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__tablename__")], value=value):
                return text_or_doubt(value)
            case ast.AnnAssign(target=ast.Name(id="__tablename__"), value=ast.expr() as value):
                return text_or_doubt(value)
            case ast.FunctionDef(name="__tablename__"):
                return "?"
            case _:
                pass
    return None


def text_or_doubt(node: ast.expr) -> str:
    """Read a text, or "?" where it is computed."""
    value = names.literal(node)
    return value if isinstance(value, str) else "?"


def schemes(source: str) -> Iterator[str]:
    """Find the schemes of database URLs, looking back from what ends each."""
    before, end = 0, source.find(":/")
    while end >= 0:
        found = SCHEME.search(source, max(before, end - LONGEST_SCHEME), end + 2)
        if found:
            yield "".join(part or "" for part in found.groups())
        before, end = end + 2, source.find(":/", end + 2)


def assigned(source: str) -> Iterator[str]:
    """Find the names that look like a time of change and are assigned."""
    end = 0
    while found := CHANGE.search(source, end):
        start, end = found.span()
        first, last = max(0, start - LONGEST_NAME), min(len(source), end + LONGEST_NAME)
        while start > first and is_of_name(source[start - 1]):
            start -= 1
        while end < last and is_of_name(source[end]):
            end += 1
        if sets(source, start, end):
            yield source[start:end]


def is_of_name(character: str) -> bool:
    """Whether a character may stand in a name."""
    return character.isalnum() or character == "_"


def sets(source: str, start: int, end: int) -> bool:
    """Whether the name between two places is set there; `{"updated_at": task.updated_at}` only reads it."""
    before = source[start - 1 : start]
    if before == "." and SET.match(source, end):
        return True
    if before and before in "'\"" and source[end : end + 1] in {"'", '"'}:
        key = SET_AS_KEY.match(source, end)
        if key and key[1] != ":":
            return True
        if key and f".{source[start:end]}" not in source[key.end() :].partition("\n")[0]:
            return True
        return SET_BY_NAME.search(source, max(0, start - 200), start) is not None
    return SET_TO_NOW.match(source, end) is not None


def depended(tree: ast.Module) -> Iterator[str]:
    """Find what is named in `Depends(...)`, as it is spelled."""
    for node in walk(tree):
        if isinstance(node, ast.Call) and (names.dotted(node.func) or "").rpartition(".")[2] in {
            "Depends",
            "Security",
        }:
            spelled = names.dotted(names.argument(node, 0, "dependency"))
            if spelled:
                yield spelled


def session_makers(tree: ast.Module, source: str, imports: dict[str, str]) -> Iterator[SessionMaker]:
    """Find the calls that make sessions or session factories."""
    heads = [re.escape(name) for name, target in imports.items() if may_make_sessions(target)]
    if not heads or not re.search(rf"\b(?:{'|'.join(heads)})\b[\w.\s]*[(\[]", source):
        return
    for node in walk(tree):
        if isinstance(node, ast.Call) and (spelled := names.dotted(node.func)):
            head, _, rest = spelled.partition(".")
            if head in imports:
                target = names.canonical(f"{imports[head]}.{rest}" if rest else imports[head])
                if target in MAKING:
                    yield session_maker(node, target, imports)


MAKING = names.SESSIONS | names.MAKERS
SPELLED = MAKING | {spelled for spelled, address in names.ELSEWHERE.items() if address in MAKING}
MODULES = {
    ".".join(parts[:size]) for parts in (s.split(".") for s in SPELLED) for size in range(1, len(parts))
}


def may_make_sessions(target: str) -> bool:
    """Whether an import names what makes sessions, or a module that it may be asked of."""
    return target in SPELLED or target in MODULES


def makes_tables(tree: ast.Module, source: str, bound: Names) -> bool:
    """Whether a file makes tables of SQLAlchemy that are no classes, or might."""
    named = any(
        target.startswith("sqlalchemy.") and target.endswith(".Table") for target in bound.imports.values()
    )
    if named or ("Table(" in source and "sqlalchemy" in bound.stars):
        return True
    modules = [
        name for name, target in bound.imports.items() if target in {"sqlalchemy", "sqlalchemy.schema"}
    ]
    called = {f"{name}.Table" for name in modules} | {f"{name}.schema.Table" for name in modules}
    return ".Table(" in source and any(
        isinstance(node, ast.Call) and names.dotted(node.func) in called for node in walk(tree)
    )


def session_maker(call: ast.Call, target: str, imports: dict[str, str]) -> SessionMaker:
    """Tell whether the sessions are asynchronous, and whether a commit expires what they hold."""
    asynchronous: bool | None = target in names.ASYNC_SESSIONS | names.ASYNC_MAKERS
    given = names.keyword(call, "class_")
    if given is not None:
        spelled = names.dotted(given) or "?"
        address = names.canonical(imports.get(spelled, spelled))
        asynchronous = True if address in names.ASYNC_SESSIONS else None
        if address in names.SYNC_SESSIONS:
            asynchronous = False
    return SessionMaker(call.lineno, target, asynchronous, expires(call))


def expires(call: ast.Call) -> bool | None:
    """Read `expire_on_commit`, which is True unless something else is said."""
    given = names.keyword(call, "expire_on_commit")
    if given is not None:
        value = names.literal(given)
        return value if isinstance(value, bool) else None
    return None if names.spread(call) else True
