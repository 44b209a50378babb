"""The pages that a list answers with: those of the library, and where the pages around them are.

The links stand in the body and in the header `Link` (RFC 8288): the one for programs that read the
answer anyway, the other for those that know the header and not this API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel, Field
from sqlmodel import Session

from fieldstone.cache import cached
from fieldstone.errors import InvalidValues
from fieldstone.fastapi.addresses import url_of
from fieldstone.fastapi.bodies import sent, takes_bytes
from fieldstone.fastapi.listing import refused, statement_of
from fieldstone.fastapi.steps import Steps
from fieldstone.fastapi.views import AnyResource, schema_of
from fieldstone.paging.navigation import link_header, page_links
from fieldstone.paging.pages import KeysetPage, Page, cap_of
from fieldstone.reading import count, json_page, json_seek, page, seek
from fieldstone.verbs import verb

ItemT = TypeVar("ItemT")

LINK: dict[str, Any] = {
    "Link": {
        "description": "The pages around: `first`; `prev`, `next`, `last` where there are such (RFC 8288).",
        "schema": {"type": "string", "examples": ['</tasks?size=20&offset=20>; rel="next"']},
    }
}


class PageLinks(BaseModel):
    """Where the pages around are, relative to the host."""

    first: str = Field(description="The first page.", examples=["/tasks?size=20"])
    prev: str | None = Field(default=None, description="The page before, if there is one.")
    next: str | None = Field(default=None, description="The page after, if there is one.")
    last: str | None = Field(default=None, description="The last page, where an exact total was asked for.")


class LinkedPage(Page[ItemT], Generic[ItemT]):
    """Some of the results, where they stand among all, and links to those around."""

    links: PageLinks


class LinkedKeysetPage(KeysetPage[ItemT], Generic[ItemT]):
    """Some of the results, with cursors and links to those around."""

    total: int | None = Field(default=None, description="How many results there are, where it was asked for.")
    total_capped: bool = Field(
        default=False, description="Whether there are more than `total`, because counting stopped there."
    )
    links: PageLinks


def pages_of(resource: AnyResource) -> Iterable[type[BaseModel]]:
    """Give the kind of page that the list answers with, for each view."""
    return [_page_type(resource.paging, schema) for schema in resource.all_views.values()]


def read_page(resource: AnyResource, query: Any, request: Request, response: Response) -> Steps[Any]:
    """Read the page that a query asks for, and link to those around in its body and header."""
    schema, statement = schema_of(resource, query), statement_of(resource, query)
    total = resource.total if getattr(query, "total", False) else False
    numbered, as_json = resource.paging == "offset", takes_bytes(request)
    asked: dict[str, Any] = {"size": query.size}
    asked |= (
        {"offset": query.offset, "total": total}
        if numbered
        else {"cursor": query.cursor, "cursors": resource.cursors}
    )

    def finish(found: Any, counted: Mapping[str, Any] = NOT_COUNTED) -> Any:
        links = page_links(found, url_of(request))
        response.headers["Link"] = link_header(links)
        made = _page_type(resource.paging, schema)
        return made.model_construct(**{**counted, **vars(found)}, links=PageLinks(**links))

    in_objects, in_bytes = (page, json_page) if numbered else (seek, json_seek)
    try:
        if total and not numbered:
            found = yield lambda session: _counted(session, statement, schema, total, finish, as_json, asked)
        elif as_json:
            found = yield lambda session: in_bytes(session, statement, schema, finish=finish, **asked)
        else:
            found = finish((yield lambda session: in_objects(session, statement, schema, **asked)))
    except InvalidValues as error:  # a cursor's: nothing else in the query is left to refuse
        raise refused(error.problems) from error
    return sent(found, response, status=200) if as_json else found


NOT_COUNTED: Mapping[str, Any] = {"total": None, "total_capped": False}


@verb(reads=True)
def _counted(
    session: Session,
    statement: Any,
    schema: type[BaseModel],
    total: bool | int,
    finish: Callable[[Any, Mapping[str, Any]], Any],
    as_json: bool,
    asked: Mapping[str, Any],
) -> Any:
    """Read the page that a cursor leads to, and count, which `seek` does not."""

    def completed(found: Any) -> Any:
        cap = cap_of(total)
        counted = count(session, statement if cap is None else statement.limit(cap + 1))
        capped = cap is not None and counted > cap
        return finish(found, {"total": cap if capped else counted, "total_capped": capped})

    if as_json:
        return json_seek(session, statement, schema, finish=completed, **asked)
    return completed(seek(session, statement, schema, **asked))


@cached
def _page_type(paging: str, schema: Any) -> Any:
    return (LinkedPage if paging == "offset" else LinkedKeysetPage)[schema]
