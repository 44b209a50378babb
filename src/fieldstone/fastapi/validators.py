"""Rows with their validators: what is sent with an ETag, and what a change must be based on.

Where a model keeps no version there is no counter that an UPDATE could compare, so the row is locked
and read before it is changed. If-Match is never ignored: who sends it relies on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import HTTPException, Request, Response
from pydantic import BaseModel
from sqlmodel import SQLModel

from fieldstone.errors import StaleVersion
from fieldstone.fastapi.bodies import takes_bytes
from fieldstone.fastapi.preconditions import Match, Tagging, match_of, tag_of
from fieldstone.fastapi.steps import Step, Steps
from fieldstone.keys import version_name
from fieldstone.reading import get_versioned, json_get_versioned
from fieldstone.writing import get_for_update


def read_row(model: type[SQLModel], key: Any, schema: type[BaseModel], request: Request) -> Step:
    """Read a row, and its version, in the form in which the route sends it."""
    read = json_get_versioned if takes_bytes(request) else get_versioned
    return lambda session: read(session, model, key, schema)


def send_row(shown: Any, version: Any, request: Request, response: Response, *, status: int = 200) -> Any:
    """Send a row, or its JSON, with its ETag; a 304 where the client has it already."""
    tagging = Tagging(request, response)
    if isinstance(shown, bytes):
        return tagging.send(shown, version=version, status=status)
    return tagging(shown, version=version)


def compares_rows(model: type[SQLModel], request: Request, match: Match | None) -> bool:
    """Tell whether `expected_versions` has to read: then the change must be made in the same transaction."""
    conditional = match is not None and not match.anything
    return "if-none-match" in request.headers or (conditional and version_name(model) is None)


def expected_versions(
    model: type[SQLModel],
    key: Any,
    schemas: Iterable[type[BaseModel]],
    request: Request,
    match: Match | None,
) -> Steps[frozenset[str] | None]:
    """Give the versions that a change of the row may be based on; None where any will do.

    The client may have read the row through any of the schemas. Raises StaleVersion for a model without
    versions, and HTTPException (412) for what If-None-Match names.
    """
    unless = match_of(request, "If-None-Match")
    if unless is not None and (yield from _is_tagged(unless.names, model, key, schemas, request)):
        raise HTTPException(412, "If-None-Match names what is stored. To change that, send If-Match instead.")
    if match is None or match.anything:
        return None
    if version_name(model) is not None:
        return match.versions
    yield lambda session: get_for_update(session, model, key)
    if not (yield from _is_tagged(match.strong.__contains__, model, key, schemas, request)):
        raise StaleVersion(model.__name__, key=key)
    return None


def _is_tagged(
    named: Callable[[str], bool],
    model: type[SQLModel],
    key: Any,
    schemas: Iterable[type[BaseModel]],
    request: Request,
) -> Steps[bool]:
    """Make the tags of a row one by one: the next is read only where the one before did not match."""
    for schema in schemas:
        if named(tag_of(*(yield read_row(model, key, schema, request)))):
            return True
    return False
