"""From gathered rows to what a read gives: values for the objects of a schema, or bytes of JSON.

Values hold what the schema's own rules are then applied to, row by row. Bytes skip both the rules and the
objects where `exactness` knows that the outcome is the same, and are refused elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic_core import to_json

from fieldstone.cache import cached
from fieldstone.reading.anatomy import Inexact
from fieldstone.reading.assembly import Layout
from fieldstone.reading.exactness import exact
from fieldstone.reading.forms import Column, Form, Unfit
from fieldstone.reading.gathering import Gathered
from fieldstone.reading.plans import ReadPlan
from fieldstone.reading.shapes import Build, builder
from fieldstone.reading.unreadable import is_unreadable

try:
    import orjson
except ModuleNotFoundError:  # it writes the same bytes in half the time, and comes with fieldstone[fastapi]
    dumps: Callable[[Any], bytes] = to_json
else:
    dumps = partial(orjson.dumps, option=orjson.OPT_UTC_Z)


Values = dict[str, Any]


def values_of(gathered: Gathered) -> list[Values]:
    """Turn gathered rows into values in the shape of the schema."""
    columns = [gathered.values(place) for place in range(len(gathered.columns))]
    build = _build_values(gathered.shape.plan, gathered.shape.start)
    below = [_by_key(one, values_of) for _, one in gathered.below]
    return build(columns, gathered.keys, gathered.columns, below)


def written(gathered: Gathered) -> list[Values] | None:
    """Turn gathered rows into what JSON shows of them; None where objects must say that."""
    try:
        return _shown(gathered)
    except (Inexact, Unfit):
        return None


def _shown(gathered: Gathered) -> list[Values]:
    """Do that, with what hangs on the rows. Raises Inexact and Unfit."""
    manner = _manner(gathered.shape.plan, gathered.shape.start)
    columns = list(gathered.columns)
    for place, form, layout in manner.forms:
        columns[place] = _column(gathered, place, form, _absent(gathered, layout))
    for joined, within in manner.required:
        if _absent(gathered, joined) > _absent(gathered, within):
            raise Unfit
    below = [_by_key(one, _shown) for _, one in gathered.below]
    return manner.build(columns, gathered.keys, gathered.columns, below)


def _column(gathered: Gathered, place: int, form: Form, absent: int) -> Column:
    try:
        return form.write(gathered.columns[place], gathered.processors[place], absent)
    except Exception as error:
        if is_unreadable(error):
            raise Unfit from error
        raise


def _absent(gathered: Gathered, layout: Layout | None) -> int:
    return 0 if layout is None else gathered.columns[layout.presence].count(None)


def _by_key(
    gathered: Gathered | None, rows: Callable[[Gathered], list[Values]]
) -> Mapping[Any, list[Values]]:
    """Group children by the key of their parents."""
    grouped: defaultdict[Any, list[Values]] = defaultdict(list)
    if gathered is None:
        return grouped
    keys = [gathered.values(place) for place in range(gathered.shape.start)]
    for key, one in zip(keys[0] if len(keys) == 1 else zip(*keys, strict=True), rows(gathered), strict=True):
        grouped[key].append(one)
    return grouped


@cached
def _build_values(plan: ReadPlan, start: int) -> Build:
    return builder(Layout(plan, plan.model, start), lambda _, name: name, {})


@dataclass(frozen=True)
class Manner:
    """How the rows of one statement are written as JSON.

    `forms` say so by place, with the join that may be missing around it; `required` are the joins that must
    not be missing where the one around them is there.
    """

    forms: Sequence[tuple[int, Form, Layout | None]]
    required: Sequence[tuple[Layout, Layout | None]]
    build: Build


@cached
def _manner(plan: ReadPlan, start: int) -> Manner:
    """Put together how the rows of a plan and of its joins are written. Raises Inexact."""
    root = Layout(plan, plan.model, start)
    forms: list[tuple[int, Form, Layout | None]] = []
    required: list[tuple[Layout, Layout | None]] = []
    defaults: dict[tuple[Layout, str], str] = {}

    def visit(layout: Layout, optional: Layout | None) -> None:
        known = exact(layout.plan)
        places = enumerate(layout.plan.columns, start=layout.start)
        forms.extend((place, known.forms[name], optional) for place, name in places)
        defaults.update(((layout, name), text) for name, text in known.defaults.items())
        for related, joined in layout.joined:
            if related.name in known.required:
                required.append((joined, optional))
            visit(joined, joined)

    visit(root, None)
    return Manner(forms, required, builder(root, lambda at, name: exact(at.plan).keys[name], defaults))
