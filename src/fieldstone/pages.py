"""A page of results, and the bounds within which one may be asked for.

Pure: it builds statements and values; `reading.page` runs them.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select

from fieldstone.errors import InvalidValues, Problem
from fieldstone.keys import key_attributes

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


def bounded(size: int, offset: int) -> tuple[int, int]:
    """Refuse a size or an offset that no page has."""
    problems = []
    if not 1 <= size <= LARGEST_PAGE:
        problems.append(Problem(("size",), "out_of_range", f"must be from 1 to {LARGEST_PAGE}"))
    if not 0 <= offset <= LARGEST_OFFSET:
        problems.append(Problem(("offset",), "out_of_range", f"must be from 0 to {LARGEST_OFFSET}"))
    if problems:
        raise InvalidValues("A page", problems)
    return size, offset


def in_order(statement: Any) -> Any:
    """Order by the key after whatever order the statement has, so that equal rows keep their places."""
    entity = statement.column_descriptions[0]["entity"]
    return statement.order_by(*key_attributes(entity))


def slice_of(statement: Any, size: int, offset: int) -> Select[*tuple[Any, ...]]:
    """Ask for one row more than the page holds: whether it comes tells whether more follow."""
    sliced: Select[*tuple[Any, ...]] = in_order(statement).limit(size + 1).offset(offset or None)
    return sliced


def page_of(
    schema: type[ItemT], items: list[ItemT], *, size: int, offset: int, total: int | None
) -> Page[ItemT]:
    """Make the page from up to `size + 1` items."""
    made: Any = Page.__class_getitem__(schema)  # at run time, so that it is the response model
    built: Page[ItemT] = made.model_construct(
        items=items[:size], size=size, offset=offset, has_more=len(items) > size, total=total
    )
    return built
