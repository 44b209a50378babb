"""The routes of a resource: list, get, create, patch and delete.

Each operation is written once, in steps. What differs between resources is only what a signature
says (types of keys and bodies) and what differs between faces is only `async`, so an endpoint here
is a signature made from the resource around a shell of one line. FastAPI reads it as it reads a
hand-written one: dependencies, middleware and OpenAPI need no hooks, and any of the five can be
left out and written by hand at the same path.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response, params
from sqlalchemy import BigInteger, Integer, SmallInteger
from sqlalchemy import inspect as sa_inspect

from fieldstone.errors import DesignError
from fieldstone.fastapi.exporting import add_exports
from fieldstone.fastapi.operations import OPERATIONS, Call, Operation, OperationName, Operations
from fieldstone.fastapi.scoping import scope_parameters, scoped
from fieldstone.fastapi.sessions import (
    AsyncReadSession,
    AsyncWriteSession,
    CurrentDatabase,
    Place,
    ReadPlace,
    ReadSession,
    WritePlace,
    WriteSession,
    async_place,
)
from fieldstone.fastapi.steps import walk, walk_async
from fieldstone.fastapi.views import AnyResource

_NAMES: tuple[OperationName, ...] = (*OPERATIONS, "export")


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
    "export" stands for GET /tasks.csv and /tasks.ndjson, as far as the resource names them.
    """
    router = APIRouter(
        prefix=f"{prefix}/{resource.name}",
        tags=[resource.name] if tags is None else list(tags),
        dependencies=list(dependencies),
    )
    for name in _chosen(resource, only, exclude):
        if name == "export":
            add_exports(router, resource, sync=sync)
        else:
            _add(router, resource, OPERATIONS[name], sync=sync)
    return router


def _chosen(resource: AnyResource, only: Operations | None, exclude: Operations) -> list[OperationName]:
    lacking = _lacking(resource)
    for name in (*(only or ()), *exclude):
        if name not in _NAMES:
            raise DesignError(f"{name!r} is no operation of a resource. Choose from: {', '.join(_NAMES)}.")
    for name in lacking:
        if name in (only or ()):
            raise DesignError(f"The resource {resource.name!r} cannot {name}: {lacking[name]}")
    return [name for name in _NAMES if (only is None or name in only) and name not in {*exclude, *lacking}]


def _lacking(resource: AnyResource) -> dict[OperationName, str]:
    """Name the operations that a resource does not have, and what would give it them."""
    found: dict[OperationName, str] = {}
    if resource.create is None:
        found["create"] = "it has no create schema. Give it one."
    if resource.update is None:
        found["patch"] = "it has no update schema. Give it one."
    if not resource.exports:
        found["export"] = "it names no exports. Give it some: exports=('csv',)."
    return found


def _add(router: APIRouter, resource: AnyResource, operation: Operation, *, sync: bool) -> None:
    keys = _key_parameters(resource) if operation.on_row else []
    operation_id = operation.id_for(resource)
    path = "".join(f"/{{{key.name}}}" for key in keys)
    endpoint = _endpoint(resource, operation, keys, sync=sync)
    router.add_api_route(
        path,
        endpoint,
        methods=[operation.method],
        status_code=operation.status,
        operation_id=operation_id,
        name=operation_id,
        summary=operation_id.replace("_", " ").capitalize(),
        responses=operation.responses(resource),
        openapi_extra={"parameters": operation.headers(resource)},
    )
    if operation.method == "GET":  # a server sends the head alone of what this answers
        router.add_api_route(
            path, endpoint, methods=["HEAD"], operation_id=operation_id, include_in_schema=False
        )


def _endpoint(
    resource: AnyResource, operation: Operation, keys: list[inspect.Parameter], *, sync: bool
) -> Callable[..., Any]:
    def scoped_place(values: dict[str, Any]) -> Place:
        return Place(values["_database"], scoped(values["_session"], resource, values.get("_scope")))

    def call_of(values: dict[str, Any]) -> Call:
        key, request = tuple([values[parameter.name] for parameter in keys]), values["_request"]
        match = values["_match"] if "_match" in values else operation.match(request)
        return Call(key, values.get("_sent"), request, values["_response"], match)

    def endpoint(**values: Any) -> Any:
        place = values["_place"] if resource.scope is None else scoped_place(values)
        return _answered(operation, place, resource, call_of(values))

    async def async_endpoint(**values: Any) -> Any:
        if resource.scope is None:
            place = await async_place(values["_request"], values["_database"], writes=operation.writes)
        else:
            place = scoped_place(values)
        return await _answered_async(operation, place, resource, call_of(values))

    shell: Any = endpoint if sync else async_endpoint
    shell.__name__ = operation.id_for(resource)
    shell.__signature__ = inspect.Signature(
        [*keys, *_other_parameters(resource, operation, sync=sync)],
        return_annotation=operation.returns(resource),
    )
    return shell  # type: ignore[no-any-return]  # its signature is known at run time only


def _answered(operation: Operation, place: Place, resource: AnyResource, call: Call) -> Any:
    """Walk an operation: in the session that is there, by autocommit, or in a transaction of its own."""
    steps = operation.body(resource, call)
    if place.session is not None:
        return walk(steps, place.session)
    if operation.is_one_verb(resource, call):
        return walk(steps, place.database.autocommit)
    with place.database.transaction(read_only=not operation.writes) as session:
        return walk(steps, session)


async def _answered_async(operation: Operation, place: Place, resource: AnyResource, call: Call) -> Any:
    steps = operation.body(resource, call)
    if place.session is not None:
        return await walk_async(steps, place.session)
    if operation.is_one_verb(resource, call):
        return await walk_async(steps, place.database.async_autocommit)
    async with place.database.async_transaction(read_only=not operation.writes) as session:
        return await walk_async(steps, session)


def _other_parameters(resource: AnyResource, operation: Operation, *, sync: bool) -> list[inspect.Parameter]:
    """Name them with an underscore, which no field of a model, and so no part of a key, begins with."""
    found: dict[str, Any] = {"_request": Request, "_response": Response}
    if resource.scope is not None:  # its session is held to the scope for as long as it lasts
        sessions = (ReadSession, WriteSession) if sync else (AsyncReadSession, AsyncWriteSession)
        found |= {"_database": CurrentDatabase, "_session": sessions[operation.writes]}
    elif sync:
        found["_place"] = (ReadPlace, WritePlace)[operation.writes]
    else:
        found["_database"] = CurrentDatabase
    found |= scope_parameters(resource, "_scope") | operation.conditions(resource)
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
