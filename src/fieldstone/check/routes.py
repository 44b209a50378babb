"""Functions that serve requests: what FastAPI's decorators say of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from fieldstone.check import names
from fieldstone.check.modules import Function

METHODS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "api_route", "websocket"})


@dataclass(frozen=True, slots=True)
class Route:
    """One decorator that makes a function an endpoint."""

    method: str
    decorator: ast.Call

    @property
    def response_model(self) -> ast.expr | None:
        """What the decorator names as the model of the response; None if it names none."""
        return names.keyword(self.decorator, "response_model")

    @property
    def path(self) -> str | None:
        """The path, where it is a plain text."""
        value = names.literal(names.argument(self.decorator, 0, "path"))
        return value if isinstance(value, str) else None


def route_of(function: Function) -> Route | None:
    """The route that a function serves; None for a function that serves none."""
    return next(routes_of(function), None)


def routes_of(function: Function) -> Iterator[Route]:
    """All routes that a function serves."""
    for decorator in function.node.decorator_list:
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute):
            path = names.argument(decorator, 0, "path")
            like_path = path is not None and not isinstance(path, ast.Lambda)
            if decorator.func.attr in METHODS and like_path and serves(function, decorator.func.value):
                yield Route(decorator.func.attr, decorator)


def serves(function: Function, application: ast.expr) -> bool:
    """Whether an object with methods `get`, `post`, ... is an application or router."""
    project, module = function.module.project, function.module
    spelled = names.dotted(application)
    address = module.address(spelled) if spelled else None
    if address is None or ":" not in address:
        return spelled is not None and spelled.rpartition(".")[2] in {"app", "router", "api", "api_router"}
    owner = project.module_of(address)
    for statement in owner.bindings.get(address.partition(":")[2], ()) if owner else ():
        value = getattr(statement, "value", None)
        if owner and isinstance(value, ast.Call):
            made = owner.address(value.func)
            if made in names.APPLICATIONS or (
                made and any(a in names.APPLICATIONS for a in project.ancestry(made))
            ):
                return True
    return (spelled or "").rpartition(".")[2].endswith(("app", "router"))


def parameters_of(function: Function) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    """The parameters of a function and their defaults."""
    given = function.node.args
    arguments = [*given.posonlyargs, *given.args]
    missing: list[ast.expr | None] = [None] * (len(arguments) - len(given.defaults))
    yield from zip(arguments, [*missing, *given.defaults], strict=True)
    yield from zip(given.kwonlyargs, given.kw_defaults, strict=True)
