"""Functions that turn the columns of a statement into nested dictionaries, written for one plan each.

What is known of a plan (which names, which joins, where each value stands) is written into Python source
once, as dataclasses write `__init__`, instead of being looked up again for every row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fieldstone.reading.assembly import Layout
from fieldstone.reading.plans import Related

Column = Sequence[Any]
# The columns by place: as they are shown, as keys, and as the driver gave them; and for each collection its
# children by key.
Build = Callable[
    [Sequence[Column], Mapping[int, Column], Sequence[Column], Sequence[Mapping[Any, list[Any]]]],
    list[dict[str, Any]],
]
# What a field is called in the dictionary, None where it is left out.
Naming = Callable[[Layout, str], str | None]


def builder(layout: Layout, naming: Naming, defaults: Mapping[tuple[Layout, str], str]) -> Build:
    """Write the function that builds the rows of a layout. `defaults` are the sources of fields not read."""
    return _Source(layout, naming, defaults).compiled()


def waiting_at(layout: Layout) -> Iterator[tuple[Layout, Related, list[int]]]:
    """Yield the collections of a layout and of all that it joins, with the places of their keys."""
    for related, places in layout.waiting:
        yield layout, related, places
    for _, joined in layout.joined:
        yield from waiting_at(joined)


class _Source:
    """The source of one builder, with the columns that it turned out to use."""

    def __init__(self, layout: Layout, naming: Naming, defaults: Mapping[tuple[Layout, str], str]) -> None:
        self._naming = naming
        self._defaults = defaults
        self._waiting = [related for _, related, _ in waiting_at(layout)]
        self._used: dict[str, str] = {f"raw{layout.presence}": f"raw[{layout.presence}]"}
        self._body = self._row(layout)

    def compiled(self) -> Build:
        names, columns = ", ".join(self._used), ", ".join(self._used.values())
        source = f"lambda shown, keys, raw, below: [{self._body} for {names}, in zip({columns})]"
        build: Build = eval(source)  # noqa: S307 - made of numbers and quoted names
        return build

    def _row(self, layout: Layout) -> str:
        """Write the dictionary of one row, in the order of the schema's fields."""
        values = dict(self._values(layout))
        named = [(self._naming(layout, name), name) for name in layout.plan.schema.model_fields]
        items = [f"{key!r}: {values[name]}" for key, name in named if key is not None and name in values]
        return "{" + ", ".join(items) + "}"

    def _values(self, layout: Layout) -> Iterator[tuple[str, str]]:
        for place, name in enumerate(layout.plan.columns, start=layout.start):
            if self._naming(layout, name) is not None:
                yield name, self._use("shown", place)
        for related, joined in layout.joined:
            yield (
                related.name,
                f"None if {self._use('raw', joined.presence)} is None else {self._row(joined)}",
            )
        for related, places in layout.waiting:
            yield related.name, self._children(related, places)
        for (owner, name), default in self._defaults.items():
            if owner is layout:
                yield name, default

    def _children(self, related: Related, places: Sequence[int]) -> str:
        parts = [self._use("keys", place) for place in places]
        key = parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
        found = f"below[{self._waiting.index(related)}].get({key})"
        return f"{found} or []" if related.many else f"({found} or (None,))[0]"

    def _use(self, source: str, place: int) -> str:
        self._used[f"{source}{place}"] = f"{source}[{place}]"
        return f"{source}{place}"
