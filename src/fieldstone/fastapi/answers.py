"""From what was raised to the problem that answers it.

Values that the client sent are not repeated, only the names of fields and parameters, shortened
and counted, so that no request gets an answer much longer than itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from traceback import walk_tb
from typing import Any, Literal

from fastapi.exceptions import RequestValidationError
from fastapi.utils import is_body_allowed_for_status_code
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.convertors import IntegerConvertor
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

from fieldstone import errors
from fieldstone.fastapi.methods import allowed_methods
from fieldstone.fastapi.preconditions import stale_detail
from fieldstone.fastapi.problems import (
    INVALID_VALUES,
    KINDS,
    STALE_MATCH,
    FieldProblem,
    ProblemDetails,
    ProblemResponse,
    plain_problem,
)
from fieldstone.violations import explain

_MOST_ERRORS = 100
_LONGEST_NAME = 100
_SUMMARISED = 5

_CONFLICTS = {
    "unique": "Another row already has this value",
    "foreign_key": "It points to a row that does not exist",
    "referenced": "Other rows still point here",
    "exclusion": "It overlaps a stored row",
}

_log = logging.getLogger(__name__)


def handlers() -> dict[type[Exception], Callable[..., Any]]:
    """Give the handler of every kind of error that an application answers.

    They stand on broad classes, since the narrower one wins: an application's own handler for
    NotFound does. What is wrong with the program, such as a ConfigurationError, has none.
    """
    return {
        errors.DataError: _answer_fieldstone_error,
        errors.TransactionError: _answer_fieldstone_error,
        RequestValidationError: _answer_invalid_request,
        HTTPException: _answer_http_exception,
        DBAPIError: _answer_database_error,
        PoolTimeout: _answer_database_error,
        ValueError: _answer_value_error,
        Exception: _answer_unknown,
    }


async def _answer_fieldstone_error(connection: HTTPConnection, error: Exception) -> Response | None:
    kind = next((KINDS[cls] for cls in type(error).__mro__ if cls in KINDS), None)
    if kind is None:
        raise error
    if kind.status >= 500:
        method = connection.scope.get("method", "WEBSOCKET")
        _log.error("%s %s: %s", method, connection.url.path, error, exc_info=error)
    detail = str(error)
    if isinstance(error, errors.StaleVersion) and "if-match" in connection.headers:
        kind, detail = STALE_MATCH, stale_detail(connection, error)
    fields = list(_fields_of(error, connection))
    headers = None if kind.retry_after is None else {"Retry-After": str(kind.retry_after)}
    return await _send(connection, kind.problem(detail, fields), headers)


async def _answer_invalid_request(request: Request, error: RequestValidationError) -> Response:
    if any(entry["type"] == "json_invalid" for entry in error.errors()):
        return ProblemResponse(plain_problem(400, "The body is not JSON. Send a JSON document."))
    if _is_undeclared_json(request, error):
        detail = "The body is not declared as JSON. Send it with the header Content-Type: application/json."
        return ProblemResponse(plain_problem(415, detail))
    fields = [_field_problem(entry, error.body) for entry in error.errors()[:_MOST_ERRORS]]
    return ProblemResponse(INVALID_VALUES.problem(_summary(fields, len(error.errors())), fields))


async def _answer_http_exception(connection: HTTPConnection, error: HTTPException) -> Response | None:
    if not is_body_allowed_for_status_code(error.status_code):
        return Response(status_code=error.status_code, headers=error.headers)
    headers = dict(error.headers or {})
    if error.status_code == 405 and "Allow" in headers:
        headers["Allow"] = allowed_methods(connection, headers["Allow"])
    return await _send(connection, plain_problem(error.status_code, error.detail), headers)


async def _answer_database_error(connection: HTTPConnection, error: Exception) -> Response | None:
    explained = explain(error)
    if explained is None:
        raise error
    explained.__cause__ = error
    return await _answer_fieldstone_error(connection, explained)


async def _answer_value_error(connection: HTTPConnection, error: ValueError) -> Response | None:
    """Answer an address that its route cannot read: `{number:int}` of more digits than int() takes."""
    *_, (last, _) = walk_tb(error.__traceback__)
    if last.f_globals.get("__name__") != IntegerConvertor.__module__:
        raise error
    return await _send(connection, plain_problem(404, "Not Found"), None)


async def _answer_unknown(request: Request, error: Exception) -> Response:
    return ProblemResponse(plain_problem(500, "The server failed to answer. The cause is in its log."))


async def _send(
    connection: HTTPConnection, problem: ProblemDetails, headers: Mapping[str, str] | None
) -> Response | None:
    """Answer a request; close a websocket that was already accepted, where no response can go."""
    if isinstance(connection, WebSocket) and connection.application_state is WebSocketState.CONNECTED:
        await connection.close(code=1011 if problem.status >= 500 else 1008, reason=problem.title)
        return None
    return ProblemResponse(problem, headers)


def _fields_of(error: Exception, connection: HTTPConnection) -> Iterator[FieldProblem]:
    """Name the fields of an error, and say where they were sent."""
    found: Sequence[errors.Problem] = ()
    if isinstance(error, errors.InvalidValues):
        found = error.problems[:_MOST_ERRORS]
    elif isinstance(error, errors.OutOfScope):
        found = [errors.Problem((field,), "out_of_scope", "must lie within") for field in error.fields]
    elif isinstance(error, errors.Conflict):
        found = [errors.Problem((field,), error.kind, _CONFLICTS[error.kind]) for field in error.fields]
    for problem in found:
        location = _location(problem, error, connection)
        yield FieldProblem(
            location=location,
            pointer=problem.pointer if location == "body" else None,
            field=".".join(map(str, problem.path)),
            rule=problem.rule,
            message=problem.message,
        )


def _location(
    problem: errors.Problem, error: Exception, connection: HTTPConnection
) -> Literal["body", "path"] | None:
    """Tell where a field was sent: an error knows columns, which path and body name alike.

    A value that another row has already is a new one, so it came in the body.
    """
    in_path = [name for name in connection.path_params if problem.path[:1] == (name,)]
    taken = isinstance(error, errors.Conflict) and error.kind == "unique" and len(error.fields) == 1
    if in_path and not taken:
        return "path"
    return "body" if connection.scope.get("method") in ("POST", "PUT", "PATCH") else None


def _field_problem(entry: Mapping[str, Any], body: Any) -> FieldProblem:
    location, *parts = entry["loc"]
    if location == "body":
        parts = [*_steps(parts, body, entry["type"])]
        if entry["type"] == "string_unicode":
            parts += _unspeakable_name(body, parts)
    path = tuple(part if isinstance(part, int) else str(part)[:_LONGEST_NAME] for part in parts)
    problem = errors.Problem(path, entry["type"], entry["msg"])
    return FieldProblem(
        location=location,
        pointer=problem.pointer if location == "body" else None,
        field=".".join(map(str, path)),
        rule=problem.rule,
        message=problem.message,
    )


def _steps(parts: Sequence[Any], body: Any, rule: str) -> Iterator[Any]:
    """Keep the parts of a Pydantic location that lead into the body: it mixes in tags of unions."""
    for position, part in enumerate(parts):
        member = isinstance(body, Mapping) and part in body
        if member or (isinstance(body, list) and isinstance(part, int) and part < len(body)):
            body = body[part]
            yield part
        elif rule == "missing" and position == len(parts) - 1:
            yield part


def _unspeakable_name(body: Any, parts: Sequence[Any]) -> list[str]:
    """Find the member whose name holds half a surrogate pair, and spell it in ASCII: Pydantic gives none."""
    for part in parts:
        body = body[part]
    names = (name for name in body if isinstance(name, str)) if isinstance(body, Mapping) else ()
    spelt = (name.encode("utf-8", "backslashreplace").decode() for name in names if _is_broken(name))
    return [*spelt][:1]


def _is_broken(name: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in name)


def _is_undeclared_json(request: Request, error: RequestValidationError) -> bool:
    """Tell whether the body stayed bytes because its Content-Type is not JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    declared = media_type == "application/json" or media_type.endswith("+json")
    return (
        isinstance(error.body, bytes)
        and not declared
        and any(entry["loc"] == ("body",) and entry["type"].endswith("_type") for entry in error.errors())
    )


def _summary(fields: Sequence[FieldProblem], total: int) -> str:
    shown = [
        f"{problem.field}: {problem.message}" if problem.field else problem.message
        for problem in fields[:_SUMMARISED]
    ]
    more = f"; and {total - len(shown)} more" if total > len(shown) else ""
    return f"The request was refused: {'; '.join(shown)}{more}."
