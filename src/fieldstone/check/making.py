"""Calls that one file tells the others of: those that make sessions and tables, and dependencies."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.facts import SessionMaker
from fieldstone.check.outlines import Names
from fieldstone.check.trees import walk

LONGEST = 80  # from a name to the bracket of its call; or a file of nothing but names would take for ever
MAKING = names.SESSIONS | names.MAKERS
SPELLED = MAKING | {spelled for spelled, address in names.ELSEWHERE.items() if address in MAKING}
MODULES = {
    ".".join(parts[:size]) for parts in (s.split(".") for s in SPELLED) for size in range(1, len(parts))
}


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
    if not heads or not re.search(rf"\b(?:{'|'.join(heads)})\b[\w.\s]{{0,{LONGEST}}}[(\[]", source):
        return
    for node in walk(tree):
        if isinstance(node, ast.Call) and (spelled := names.dotted(node.func)):
            head, _, rest = spelled.partition(".")
            if head in imports:
                target = names.canonical(f"{imports[head]}.{rest}" if rest else imports[head])
                if target in MAKING:
                    yield session_maker(node, target, imports)


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
