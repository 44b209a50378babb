"""Where the neighbours of a page are, as links that a client can follow (RFC 8288)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from fieldstone.paging.pages import LARGEST_OFFSET, KeysetPage, Page

# What RFC 3986 lets stand in a URL, so that nothing in it can end the <...> it is written in.
_URL = "!#$%&'()*+,/:;=?@[]~"


def page_links(page: Page[Any] | KeysetPage[Any], url: str) -> dict[str, str]:
    """Give the URLs of the `next` and the `prev` page, where there are such, from the page's own URL.

    Everything in its query but `offset` or `cursor` stays. Both links keep their meaning as long as
    the filters and the order in the query do.
    """
    if isinstance(page, KeysetPage):
        edges = {"next": page.next, "prev": page.previous}
        return {
            relation: _with(url, "cursor", cursor) for relation, cursor in edges.items() if cursor is not None
        }
    found = {}
    if page.has_more and page.offset + page.size <= LARGEST_OFFSET:
        found["next"] = _with(url, "offset", str(page.offset + page.size))
    if page.offset > 0:
        found["prev"] = _with(url, "offset", str(max(0, page.offset - page.size)))
    return found


def link_header(links: Mapping[str, str]) -> str:
    """Write links as the value of an HTTP `Link` header (RFC 8288, section 3)."""
    return ", ".join(f'<{quote(url, safe=_URL)}>; rel="{relation}"' for relation, url in links.items())


def _with(url: str, name: str, value: str) -> str:
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != name]
    return urlunsplit(parts._replace(query=urlencode([*query, (name, value)]), fragment=""))
