"""Annotations and dependencies to values: what a parameter surely is before the function starts."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from fieldstone.check import names
from fieldstone.check.models import model
from fieldstone.check.modules import Function, Module
from fieldstone.check.project import Project
from fieldstone.check.trees import walk
from fieldstone.check.values import (
    PLAIN,
    UNKNOWN,
    Coroutine,
    Engine,
    Factory,
    Instance,
    Many,
    Object,
    Plain,
    Row,
    Session,
    Status,
    Thing,
    Value,
)

COLLECTIONS = frozenset(
    {
        "list",
        "List",
        "Sequence",
        "Iterable",
        "set",
        "Set",
        "frozenset",
        "Collection",
        "Iterator",
        "AsyncIterator",
        "Generator",
        "AsyncGenerator",
        "ScalarResult",
        "AsyncIterable",
        "MutableSequence",
        "Page",
    }
)
ITSELF = frozenset({"Optional", "Mapped", "Final", "Required", "NotRequired"})
BUILTINS = frozenset({"str", "int", "bool", "float", "bytes", "dict", "None", "object", "complex"})
DATA = frozenset(
    {
        "uuid.UUID",
        "datetime.datetime",
        "datetime.date",
        "datetime.timedelta",
        "decimal.Decimal",
        "pydantic.EmailStr",
        "typing.Any",
        "pathlib.Path",
        "datetime.time",
    }
)
SESSION_NAMES = frozenset({"session", "db", "db_session", "async_session", "database_session", "sess"})

# What clients of other databases, and registries of sessions, have and sessions have not.
FOREIGN = frozenset(
    {"session", "fetch_one", "fetch_all", "fetch", "fetchrow", "fetchval", "cursor", "collection", "find_one"}
    | {"insert_one", "find", "aggregate", "table", "from_", "rpc", "hget", "hset", "post", "put", "patch"}
)

Born = Callable[[Thing], Instance]


class Annotations:
    """Read annotations.

    `born` gives a new thing its number, `given` what a dependency gives, `expires` whether a commit
    expires what a session holds that comes from elsewhere.
    """

    def __init__(
        self,
        project: Project,
        born: Born,
        given: Callable[[str, str], Value | None],
        expires: Callable[[bool | None], bool | None],
    ) -> None:
        self.project = project
        self.born = born
        self.given = given
        self.expires = expires

    def parameter(self, module: Module, argument: ast.arg, default: ast.expr | None) -> Value:
        """What a parameter is, by its dependency, its annotation, or (sessions only) its name."""
        depended = self.dependency(module, default, argument.arg)
        if depended is not None:
            stated = self.value(module, argument.annotation, argument.arg)
            return merged(depended, stated)
        if argument.annotation is not None:
            return self.value(module, argument.annotation, argument.arg)
        if argument.arg in SESSION_NAMES and default is None:
            return Session(argument.arg, None, self.expires(None), parameter=True)
        if isinstance(default, ast.Constant) and default.value is not None:
            return Plain(type(default.value).__name__)
        return UNKNOWN

    def as_used(self, value: Value, name: str, function: Function) -> Value:
        """Correct a session by how the function uses it: what is awaited is asynchronous.

        What was taken for a session by its name alone, and is used as none is used, is no session.
        """
        if not isinstance(value, Session) or value.asynchronous:
            return value
        if value.asynchronous is None and any(is_foreign(node, name) for node in walk(function.node)):
            return UNKNOWN
        awaited = (n.value for n in walk(function.node) if isinstance(n, ast.Await))
        if function.asynchronous and any(is_method_call(node, name) for node in awaited):
            return replace(value, asynchronous=True, expires=self.expires(True))
        return value

    def dependency(self, module: Module, node: ast.expr | None, key: str) -> Value | None:
        """What `Depends(f)` gives; None if the expression is no dependency."""
        if not isinstance(node, ast.Call) or module.address(node.func) not in names.DEPENDS:
            return None
        given = names.argument(node, 0, "dependency")
        address = module.address(given)
        return (self.given(address, key) if address else None) or UNKNOWN

    def value(self, module: Module, node: ast.expr | None, key: str, depth: int = 0) -> Value:
        """What an annotation says."""
        if depth > 8:
            return UNKNOWN
        match node:
            case ast.Constant(value=None):
                return PLAIN
            case ast.Constant(value=str() as text):
                try:
                    return self.value(module, ast.parse(text.strip(), mode="eval").body, key, depth + 1)
                except (SyntaxError, ValueError):
                    return UNKNOWN
            case ast.Name() | ast.Attribute():
                return self.of_address(module.address(node), names.dotted(node) or "", key, depth)
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return self.either(module, [left, right], key, depth)
            case ast.Subscript(value=outer, slice=inner):
                return self.subscripted(module, outer, inner, key, depth)
            case _:
                return UNKNOWN

    def either(self, module: Module, parts: list[ast.expr], key: str, depth: int) -> Value:
        """One of several, of which only None is ignored."""
        found = {
            value
            for part in parts
            if not (isinstance(part, ast.Constant) and part.value is None)
            for value in [self.value(module, part, key, depth + 1)]
        }
        return (
            found.pop() if len(found) == 1 else PLAIN if all(isinstance(v, Plain) for v in found) else UNKNOWN
        )

    def subscripted(self, module: Module, outer: ast.expr, inner: ast.expr, key: str, depth: int) -> Value:
        """Annotated, Optional, collections, generics."""
        wrapper = (names.dotted(outer) or "").rpartition(".")[2]
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if wrapper == "Annotated" and parts:
            stated = self.value(module, parts[0], key, depth + 1)
            for extra in parts[1:]:
                depended = self.dependency(module, extra, key)
                if depended is not None:
                    return merged(depended, stated)
            return stated
        if wrapper in ITSELF:
            return self.value(module, parts[0], key, depth + 1)
        if wrapper == "Union":
            return self.either(module, parts, key, depth)
        if wrapper in COLLECTIONS:
            return Many(self.value(module, parts[0], key, depth + 1))
        if wrapper in {"Awaitable", "Coroutine"}:
            return UNKNOWN
        if wrapper in {"tuple", "Tuple"}:
            elements = [self.value(module, part, key, depth + 1) for part in parts]
            return Many(elements[0]) if is_ellipsis_last(parts) else Row(tuple(elements))
        if wrapper in {"dict", "Dict", "type", "Type", "Literal", "Mapping", "Callable"}:
            return PLAIN if wrapper == "Literal" else UNKNOWN
        return self.value(module, outer, key, depth + 1)

    def of_address(self, address: str | None, spelled: str, key: str, depth: int) -> Value:
        """What a name in an annotation means."""
        if address is None:
            return Plain(spelled) if spelled in BUILTINS else UNKNOWN
        if address in names.SESSIONS or address in names.FIELDSTONE_SESSIONS:
            return self.session(address, key)
        if address in names.MAKERS:
            asynchronous = True if address in names.ASYNC_MAKERS else None
            return Factory(Session(key, asynchronous, self.expires(asynchronous)))
        if address in names.SYNC_ENGINES | names.ASYNC_ENGINES:
            return Engine(address in names.ASYNC_ENGINES)
        if address in DATA:
            return UNKNOWN if address == "typing.Any" else Plain(address)
        if address in self.project.classes:
            return self.of_class(address, key)
        module = self.project.module_of(address) if ":" in address else None
        for statement in module.bindings.get(address.partition(":")[2], ()) if module else ():
            value = getattr(statement, "value", None)
            if module and isinstance(value, ast.expr):
                return self.value(module, value, key, depth + 1)
        return UNKNOWN

    def session(self, address: str, key: str) -> Session:
        """A session whose class an annotation names."""
        if address in names.FIELDSTONE_SESSIONS:
            return Session(key, names.FIELDSTONE_SESSIONS[address], False, True, parameter=True)
        asynchronous = address in names.ASYNC_SESSIONS
        ours = address in {names.SQLMODEL_SESSION, names.SQLMODEL_ASYNC_SESSION}
        return Session(key, asynchronous, self.expires(asynchronous), ours, parameter=True)

    def of_class(self, address: str, key: str) -> Value:
        """An instance of a class of the project."""
        known = model(self.project, address)
        if known and known.table:
            return self.born(Thing(address, Status.UNKNOWN, None, None))
        ancestry = self.project.ancestry(address)
        for above in ancestry:
            if above in names.SESSIONS:
                return self.session(above, key)
        if any(above.startswith("enum.") for above in ancestry):
            return PLAIN
        return Object(address)


def is_method_call(node: ast.AST, name: str) -> bool:
    """Whether an expression calls a method of what a name means."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and names.dotted(node.func.value) == name
    )


def is_foreign(node: ast.AST, name: str) -> bool:
    """Whether an expression calls a parameter, or asks it for what no session has."""
    if isinstance(node, ast.Call):
        return names.dotted(node.func) == name
    return isinstance(node, ast.Attribute) and node.attr in FOREIGN and names.dotted(node.value) == name


def is_ellipsis_last(parts: list[ast.expr]) -> bool:
    """Whether a tuple's annotation ends with `...`."""
    return len(parts) == 2 and isinstance(parts[1], ast.Constant) and parts[1].value is ...


def merged(depended: Value, stated: Value) -> Value:
    """What a dependency gives, completed by what the annotation says."""
    if isinstance(depended, Coroutine):
        depended = depended.value
    if isinstance(depended, Session):
        return depended
    return stated if not isinstance(stated, Plain) or depended == UNKNOWN else depended
