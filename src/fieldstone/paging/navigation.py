"""Where the neighbours of a page are, as links that a client can follow (RFC 8288)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from fieldstone.paging.pages import LARGEST_OFFSET, KeysetPage, Page

# What RFC 3986 lets stand in a URL, so that nothing in it can end the <...> it is written in.
_URL = "!#$%&'()*+,/:;=?@[]~"


def page_links(page: Page[Any] | KeysetPage[Any], url: str) -> dict[str, str]:
    """Give the URLs of the pages around a page from its own URL, each by its relation.

    That is `first`; `prev` and `next` where there are such; and `last` where an exact total tells which
    it is. Everything in the URL's query but `offset` or `cursor` stays. The links keep their meaning as
    long as the filters and the order in the query do.
    """
    found = _by_cursor(page) if isinstance(page, KeysetPage) else _by_offset(page)
    name = "cursor" if isinstance(page, KeysetPage) else "offset"
    return {relation: _with(url, name, value) for relation, value in found.items()}


def _by_cursor(page: KeysetPage[Any]) -> dict[str, str | None]:
    edges = {"prev": page.previous, "next": page.next}
    return {"first": None} | {relation: cursor for relation, cursor in edges.items() if cursor is not None}


def _by_offset(page: Page[Any]) -> dict[str, str | None]:
    last = (
        None if page.total is None or page.total_capped else max(0, page.total - 1) // page.size * page.size
    )
    found: dict[str, str | None] = {"first": None}
    if page.offset > 0:
        before = max(0, page.offset - page.size)
        found["prev"] = str(before if last is None else min(before, last))
    if page.has_more and page.offset + page.size <= LARGEST_OFFSET:
        found["next"] = str(page.offset + page.size)
    if last is not None and last <= LARGEST_OFFSET:
        found["last"] = str(last)
    return found


def link_header(links: Mapping[str, str]) -> str:
    """Write links as the value of an HTTP `Link` header (RFC 8288, section 3)."""
    return ", ".join(f'<{quote(url, safe=_URL)}>; rel="{relation}"' for relation, url in links.items())


def _with(url: str, name: str, value: str | None) -> str:
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != name]
    added = [] if value is None else [(name, value)]
    return urlunsplit(parts._replace(query=urlencode([*query, *added]), fragment=""))
