"""A page of results, and the bounds within which one may be asked for.

Pure: it builds statements and values; `reading` runs them. An offset page knows its place among all
results and is asked for by number; a keyset page knows its neighbours and costs the same at any depth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Integer, Select, bindparam

from fieldstone.cache import cached
from fieldstone.errors import InvalidValues, Problem
from fieldstone.paging.ordering import in_order

ItemT = TypeVar("ItemT")

LARGEST_PAGE = 1_000
# Past this an offset no longer answers a question that a person asks, and its cost grows with it.
LARGEST_OFFSET = 10_000_000


class Page(BaseModel, Generic[ItemT]):
    """Some of the results, and where they stand among all."""

    model_config = ConfigDict(frozen=True)

    items: list[ItemT]
    size: int = Field(description="The largest number of items that the page may hold.")
    offset: int = Field(description="How many results stand before the first item.")
    has_more: bool = Field(description="Whether results follow after the last item.")
    total: int | None = Field(default=None, description="How many results there are, where it was asked for.")
    total_capped: bool = Field(
        default=False, description="Whether there are more than `total`, because counting stopped there."
    )


class KeysetPage(BaseModel, Generic[ItemT]):
    """Some of the results, and the cursors that lead to those around them."""

    model_config = ConfigDict(frozen=True)

    items: list[ItemT]
    size: int = Field(description="The largest number of items that the page may hold.")
    next: str | None = Field(default=None, description="The cursor to what follows, if anything does.")
    previous: str | None = Field(default=None, description="The cursor to what came before, if anything may.")


def bounded(size: int, offset: int = 0, total: bool | int = False) -> None:
    """Refuse a size, an offset or a cap that no page has."""
    problems = []
    if not 1 <= size <= LARGEST_PAGE:
        problems.append(Problem(("size",), "out_of_range", f"must be from 1 to {LARGEST_PAGE}"))
    if not 0 <= offset <= LARGEST_OFFSET:
        problems.append(Problem(("offset",), "out_of_range", f"must be from 0 to {LARGEST_OFFSET}"))
    if not isinstance(total, bool) and not 1 <= total <= LARGEST_OFFSET:
        problems.append(Problem(("total",), "out_of_range", f"must be from 1 to {LARGEST_OFFSET}, or a bool"))
    if problems:
        raise InvalidValues("A page", problems)


def slice_values(size: int, offset: int) -> dict[str, int]:
    """Give the values of the parameters by which `slice_of` cuts a statement.

    It asks for one row more than the page holds: whether it comes tells whether more follow.
    """
    return {_LIMIT: size + 1} | ({_OFFSET: offset} if offset else {})


def slice_of(statement: Any, values: Mapping[str, int]) -> Select[*tuple[Any, ...]]:
    """Cut a statement to one page, by parameters: so it is the same for all pages."""
    sliced: Select[*tuple[Any, ...]] = in_order(statement).limit(bindparam(_LIMIT, type_=Integer))
    return sliced.offset(bindparam(_OFFSET, type_=Integer) if _OFFSET in values else None)


_LIMIT, _OFFSET = "fieldstone_limit", "fieldstone_offset"


def cap_of(total: bool | int) -> int | None:
    """Say where counting stops, if it does: `True` counts to the end."""
    return None if isinstance(total, bool) else total


def page_of(
    schema: type[ItemT],
    items: list[ItemT],
    *,
    size: int,
    offset: int,
    has_more: bool,
    counted: int | None = None,
    cap: int | None = None,
) -> Page[ItemT]:
    """Make the page. `counted` is one more than `cap` where there are more."""
    made = _of(Page, schema)
    capped = counted is not None and cap is not None and counted > cap
    built: Page[ItemT] = made.model_construct(
        items=items,
        size=size,
        offset=offset,
        has_more=has_more,
        total=cap if capped else counted,
        total_capped=capped,
    )
    return built


def keyset_page_of(
    schema: type[ItemT], items: list[ItemT], *, size: int, previous: str | None, following: str | None
) -> KeysetPage[ItemT]:
    """Make the page between two cursors."""
    made = _of(KeysetPage, schema)
    built: KeysetPage[ItemT] = made.model_construct(items=items, size=size, next=following, previous=previous)
    return built


@cached  # Pydantic keeps such a class only as long as somebody else does
def _of(page: Any, schema: Any) -> Any:
    """Give `Page[schema]`, made at run time, so that it is the response model."""
    return page[schema]
