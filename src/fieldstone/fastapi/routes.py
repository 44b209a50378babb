"""The routes of a resource: list, get, create, patch and delete.

Each operation is written once, as a verb. What differs between resources is only what a signature
says (types of keys and bodies) and what differs between faces is only `async`, so an endpoint here
is a signature made from the resource around a shell of one line. FastAPI reads it as it reads a
hand-written one: dependencies, middleware and OpenAPI need no hooks, and any of the five can be
left out and written by hand at the same path.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response, params
from pydantic_core import to_jsonable_python
from sqlalchemy import BigInteger, Integer, SmallInteger
from sqlalchemy import inspect as sa_inspect
from sqlmodel import Session

from fieldstone.errors import DesignError
from fieldstone.fastapi.listing import listing_of, refuse_unknown, selection_of
from fieldstone.fastapi.problems import problem_responses
from fieldstone.fastapi.sessions import AsyncReadSession, AsyncWriteSession, ReadSession, WriteSession
from fieldstone.keys import key_names
from fieldstone.paging.pages import Page
from fieldstone.reading import get, page
from fieldstone.resource import Resource
from fieldstone.verbs import Verb, verb
from fieldstone.writing import create, delete, patch

OperationName = Literal["list", "get", "create", "patch", "delete"]
# The tuple is there for mypy, which reads ("patch",) as tuple[str] where only a Collection is wanted.
Operations = Collection[OperationName] | tuple[OperationName, ...]
AnyResource = Resource[Any, Any, Any, Any]


def routes(
    resource: AnyResource,
    *,
    sync: bool = False,
    prefix: str = "",
    tags: Sequence[str | Enum] | None = None,
    dependencies: Sequence[params.Depends] = (),
    only: Operations | None = None,
    exclude: Operations = (),
) -> APIRouter:
    """Make the routes of a resource: GET and POST /tasks, GET, PATCH and DELETE /tasks/{id}.

    The parts of a composite key are segments: /assignments/{task_id}/{worker_id}. A resource
    without a create or update schema has no such route. Write what `exclude` leaves out by hand.
    """
    router = APIRouter(
        prefix=f"{prefix}/{resource.name}",
        tags=[resource.name] if tags is None else list(tags),
        dependencies=list(dependencies),
    )
    for name in _chosen(resource, only, exclude):
        _add(router, resource, _OPERATIONS[name], sync=sync)
    return router


@dataclass(frozen=True)
class _Call:
    """What an operation was called with: the row's key, and the body or the query."""

    key: tuple[Any, ...]
    sent: Any
    request: Request
    response: Response


@verb
def _list(session: Session, resource: AnyResource, call: _Call) -> Any:
    query = call.sent
    refuse_unknown(resource, query, call.request, _operation_id(resource, _OPERATIONS["list"]))
    return page(
        session,
        resource.select(selection_of(resource, query)),
        resource.read,
        size=query.size,
        offset=query.offset,
        total=query.total,
    )


@verb
def _get(session: Session, resource: AnyResource, call: _Call) -> Any:
    return get(session, resource.model, call.key, resource.read)


@verb
def _create(session: Session, resource: AnyResource, call: _Call) -> Any:
    key = _key_of(resource, create(session, resource.model, call.sent))
    call.response.headers["Location"] = _location(call.request, key)
    return get(session, resource.model, key, resource.read)


@verb
def _patch(session: Session, resource: AnyResource, call: _Call) -> Any:
    key = _key_of(resource, patch(session, resource.model, call.key, call.sent))
    return get(session, resource.model, key, resource.read)


@verb
def _delete(session: Session, resource: AnyResource, call: _Call) -> None:
    delete(session, resource.model, call.key)


def _key_of(resource: AnyResource, row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in key_names(resource.model))


def _location(request: Request, key: tuple[Any, ...]) -> str:
    """Point to the new row, relative to the host: a proxy may serve it under another name."""
    root, path = request.scope.get("root_path", "").rstrip("/"), request.scope["path"].rstrip("/")
    if not path.startswith(f"{root}/"):  # a proxy that strips the root from the path
        path = root + path
    return "/".join((quote(path), *(quote(str(to_jsonable_python(part)), safe="") for part in key)))


@dataclass(frozen=True)
class _Operation:
    name: OperationName
    method: str
    body: Verb[[AnyResource, _Call], Any]
    problems: tuple[int, ...]
    status: int = 200
    of_many: bool = False
    on_row: bool = True

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    def sent(self, resource: AnyResource) -> Any:
        """Give the type of the body or query, or None where there is none."""
        if self.name == "list":
            return Annotated[listing_of(resource), Query()]
        return {"create": resource.create, "patch": resource.update}.get(self.name)

    def returns(self, resource: AnyResource) -> Any:
        if self.name == "list":
            return Page[resource.read]  # type: ignore[name-defined]  # parametrised at run time
        return None if self.name == "delete" else resource.read


_OPERATIONS: dict[OperationName, _Operation] = {
    operation.name: operation
    for operation in (
        _Operation("list", "GET", _list, (422, 503), of_many=True, on_row=False),
        _Operation("create", "POST", _create, (400, 409, 415, 422, 503), status=201, on_row=False),
        _Operation("get", "GET", _get, (404, 422, 503)),
        _Operation("patch", "PATCH", _patch, (400, 404, 409, 415, 422, 503)),
        _Operation("delete", "DELETE", _delete, (404, 409, 422, 503), status=204),
    )
}


def _chosen(resource: AnyResource, only: Operations | None, exclude: Operations) -> list[OperationName]:
    for name in (*(only or ()), *exclude):
        if name not in _OPERATIONS:
            raise DesignError(
                f"{name!r} is no operation of a resource. Choose from: {', '.join(_OPERATIONS)}."
            )
    for name, schema in (("create", resource.create), ("patch", resource.update)):
        if schema is None and name in (only or ()):
            needed = "update" if name == "patch" else "create"
            raise DesignError(
                f"The resource {resource.name!r} cannot {name}: it has no {needed} schema. Give it one."
            )
    without = {
        name for name, schema in (("create", resource.create), ("patch", resource.update)) if schema is None
    }
    return [
        name for name in _OPERATIONS if (only is None or name in only) and name not in {*exclude, *without}
    ]


def _add(router: APIRouter, resource: AnyResource, operation: _Operation, *, sync: bool) -> None:
    keys = _key_parameters(resource) if operation.on_row else []
    operation_id = _operation_id(resource, operation)
    router.add_api_route(
        "".join(f"/{{{key.name}}}" for key in keys),
        _endpoint(resource, operation, keys, sync=sync),
        methods=[operation.method],
        status_code=operation.status,
        operation_id=operation_id,
        name=operation_id,
        summary=operation_id.replace("_", " ").capitalize(),
        responses=problem_responses(*operation.problems),
    )


def _operation_id(resource: AnyResource, operation: _Operation) -> str:
    return f"{operation.name}_{resource.name if operation.of_many else resource.subject}"


def _endpoint(
    resource: AnyResource, operation: _Operation, keys: list[inspect.Parameter], *, sync: bool
) -> Callable[..., Any]:
    body = operation.body

    def call_of(values: dict[str, Any]) -> _Call:
        key = tuple(values[parameter.name] for parameter in keys)
        return _Call(key, values.get("_sent"), values["_request"], values["_response"])

    def endpoint(**values: Any) -> Any:
        return body(values["_session"], resource, call_of(values))

    async def async_endpoint(**values: Any) -> Any:
        return await body(values["_session"], resource, call_of(values))

    shell: Any = endpoint if sync else async_endpoint
    shell.__name__ = _operation_id(resource, operation)
    shell.__signature__ = inspect.Signature(
        [*keys, *_other_parameters(resource, operation, sync=sync)],
        return_annotation=operation.returns(resource),
    )
    return shell  # type: ignore[no-any-return]  # its signature is known at run time only


def _other_parameters(resource: AnyResource, operation: _Operation, *, sync: bool) -> list[inspect.Parameter]:
    """Name them with an underscore, which no field of a model, and so no part of a key, begins with."""
    sessions = (ReadSession, WriteSession) if sync else (AsyncReadSession, AsyncWriteSession)
    found = {"_session": sessions[operation.writes], "_request": Request, "_response": Response}
    sent = operation.sent(resource)
    return [_parameter(name, kind) for name, kind in (found | ({"_sent": sent} if sent else {})).items()]


def _key_parameters(resource: AnyResource) -> list[inspect.Parameter]:
    columns = sa_inspect(resource.model).columns
    return [
        _parameter(name, Annotated[kind, Path(**_range(columns[name].type))])
        for name, kind in resource.key.items()
    ]


def _range(column_type: Any) -> dict[str, Any]:
    """Bound an integer by its column, so that one too large is refused before the driver sees it."""
    for kind, bits in ((BigInteger, 64), (SmallInteger, 16), (Integer, 32)):
        if isinstance(column_type, kind):
            return {"ge": -(2 ** (bits - 1)), "le": 2 ** (bits - 1) - 1}
    return {}


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
