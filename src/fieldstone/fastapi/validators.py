"""Rows with their validators: what is sent with an ETag, and what a change must be based on.

Where a model keeps no version there is no counter that an UPDATE could compare, so the row is locked
and read before it is changed. If-Match is never ignored: who sends it relies on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import HTTPException, Request, Response
from pydantic import BaseModel
from sqlmodel import Session, SQLModel

from fieldstone.errors import StaleVersion
from fieldstone.fastapi.bodies import takes_bytes
from fieldstone.fastapi.preconditions import Match, Tagging, match_of, tag_of
from fieldstone.keys import version_name
from fieldstone.reading import get_versioned, json_get_versioned
from fieldstone.writing import get_for_update


def send_row(
    session: Session,
    model: type[SQLModel],
    key: Any,
    schema: type[BaseModel],
    request: Request,
    response: Response,
    *,
    status: int = 200,
) -> Any:
    """Read a row as it is sent, with its ETag; a 304 where the client has it already."""
    tagging = Tagging(request, response)
    shown, version = _shown(session, model, key, schema, request)
    if isinstance(shown, bytes):
        return tagging.send(shown, version=version, status=status)
    return tagging(shown, version=version)


def _shown(
    session: Session, model: type[SQLModel], key: Any, schema: type[BaseModel], request: Request
) -> tuple[bytes | BaseModel, Any]:
    """Read a row, and its version, in the form in which the route sends it."""
    if takes_bytes(request):
        return json_get_versioned(session, model, key, schema)
    return get_versioned(session, model, key, schema)


def expected_versions(
    session: Session,
    model: type[SQLModel],
    key: Any,
    schemas: Iterable[type[BaseModel]],
    request: Request,
    match: Match | None,
) -> frozenset[str] | None:
    """Give the versions that a change of the row may be based on; None where any will do.

    The client may have read the row through any of the schemas. Raises StaleVersion for a model without
    versions, and HTTPException (412) for what If-None-Match names.
    """
    unless = match_of(request, "If-None-Match")
    if unless is not None and any(map(unless.names, _tags(session, model, key, schemas, request))):
        raise HTTPException(412, "If-None-Match names what is stored. To change that, send If-Match instead.")
    if match is None or match.anything:
        return None
    if version_name(model) is not None:
        return match.versions
    get_for_update(session, model, key)
    if not any(tag in match.strong for tag in _tags(session, model, key, schemas, request)):
        raise StaleVersion(model.__name__, key=key)
    return None


def _tags(
    session: Session, model: type[SQLModel], key: Any, schemas: Iterable[type[BaseModel]], request: Request
) -> Iterator[str]:
    """Make the tags of a row one by one: the next is read only where the one before did not match."""
    for schema in schemas:
        yield tag_of(*_shown(session, model, key, schema, request))
