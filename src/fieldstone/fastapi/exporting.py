"""A list as a file: GET /tasks.csv and /tasks.ndjson give every row that the query selects.

A path of its own, so that no key of a row can be meant by it. The rows are read while they are sent,
through a cursor of the server, and memory holds a batch of them. What goes wrong before the first bytes
is answered as a problem, so they are made before the response begins; what goes wrong later breaks it
off, and no client takes half a file for a whole one.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from itertools import chain
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from fieldstone.fastapi.listing import query_model, refuse_unknown, statement_of
from fieldstone.fastapi.problems import problem_responses
from fieldstone.fastapi.scoping import scope_parameters, scoped
from fieldstone.fastapi.sessions import AsyncStreamSession, StreamSession
from fieldstone.fastapi.views import AnyResource, view_field
from fieldstone.reading import stream, to_csv, to_ndjson
from fieldstone.reading.exports import columns_of
from fieldstone.resource import Export

# RFC 4180, as amended by RFC 7111. NDJSON has no registered type; this is what its readers know.
_MEDIA_TYPES = {"csv": "text/csv; charset=utf-8; header=present", "ndjson": "application/x-ndjson"}


def add_exports(router: APIRouter, resource: AnyResource, *, sync: bool) -> None:
    """Add a route for each format in which a resource may be exported."""
    for form in resource.exports:
        operation_id = _operation_id(resource, form)
        router.add_api_route(
            f".{form}",
            _endpoint(resource, form, sync=sync),
            methods=["GET"],
            operation_id=operation_id,
            name=operation_id,
            summary=f"Export {resource.name.replace('_', ' ')} as {'CSV' if form == 'csv' else 'NDJSON'}",
            description=_DESCRIBED[form],
            response_class=StreamingResponse,
            responses=_responses(resource, form),
        )


def _endpoint(resource: AnyResource, form: Export, *, sync: bool) -> Callable[..., Any]:
    def endpoint(**values: Any) -> StreamingResponse:
        chunks = _chunks(resource, form, **values)
        return _answer(resource, form, chain([next(chunks, b"")], chunks))

    async def async_endpoint(**values: Any) -> StreamingResponse:
        chunks = _chunks(resource, form, **values)
        return _answer(resource, form, _after(await anext(chunks, b""), chunks))

    shell: Any = endpoint if sync else async_endpoint
    shell.__name__ = _operation_id(resource, form)
    kinds = {
        "session": StreamSession if sync else AsyncStreamSession,
        "query": Annotated[query_model(resource, "Export", _fields(resource, form)), Query()],
        "request": Request,
        **scope_parameters(resource, "scope"),
    }
    shell.__signature__ = inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind)
            for name, kind in kinds.items()
        ],
        return_annotation=StreamingResponse,
    )
    return shell  # type: ignore[no-any-return]  # its signature is known at run time only


def _chunks(
    resource: AnyResource, form: Export, *, session: Any, query: Any, request: Request, scope: Any = None
) -> Any:
    refuse_unknown(resource, query, request, _operation_id(resource, form))
    view = getattr(query, "view", resource.export_view(form))
    schema = resource.all_views[view]
    objects = stream(scoped(session, resource, scope), statement_of(resource, query), schema)
    return to_csv(objects, schema) if form == "csv" else to_ndjson(objects)


async def _after(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _answer(resource: AnyResource, form: Export, chunks: Any) -> StreamingResponse:
    name = f"{resource.name}.{form}"
    plain = quote(name) == name
    filename = f'filename="{name}"' if plain else f"filename*=UTF-8''{quote(name, safe='')}"
    headers = {"Content-Disposition": f"attachment; {filename}"}
    return StreamingResponse(chunks, media_type=_MEDIA_TYPES[form], headers=headers)


def _fields(resource: AnyResource, form: Export) -> dict[str, Any]:
    if len(resource.all_views) == 1:
        return {}
    return {"view": view_field(resource.export_views(form), resource.export_view(form), resource)}


def _operation_id(resource: AnyResource, form: Export) -> str:
    return f"export_{resource.name}_{form}"


# What OpenAPI says

_DESCRIBED = {
    "csv": "Every row that the query selects, below a line with the names of the columns. Text that a "
    "spreadsheet would run as a formula has an apostrophe in front.",
    "ndjson": "Every row that the query selects, as one JSON object to a line.",
}


def _responses(resource: AnyResource, form: Export) -> dict[int | str, dict[str, Any]]:
    schema = resource.all_views[resource.export_view(form)]
    content: dict[str, Any] = {"schema": {"type": "string"}}
    if form == "csv":
        content["example"] = ",".join(columns_of(schema)) + "\r\n"
    described = {
        "description": "The file, sent while it is read. An error in the middle breaks the transfer off.",
        "content": {_MEDIA_TYPES[form].partition(";")[0]: content},
        "headers": {
            "Content-Disposition": {
                "description": "The name of the file.",
                "schema": {"type": "string", "examples": [f'attachment; filename="{resource.name}.{form}"']},
            }
        },
    }
    return {200: described} | problem_responses(422, 503)
