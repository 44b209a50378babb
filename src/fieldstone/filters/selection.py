"""Which rows are wanted and in which order, as a value: it prints as the query string that asks for it.

Conditions below one relationship hold for one and the same related row, as EXISTS, so that no row
of the list is repeated: `assignments.worker_id=@ada&assignments.role=lead` finds the tasks that
Ada leads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from sqlalchemy import and_, or_

from fieldstone.filters.operators import OPERATORS, Condition
from fieldstone.filters.paths import Way, related_to, resolve
from fieldstone.filters.values import as_text
from fieldstone.keys import selected, selected_model

StatementT = TypeVar("StatementT", bound=Any)


@dataclass(frozen=True)
class Filter:
    """Compare what a path leads to with a value; several values are a tuple."""

    parameter: str
    path: str
    operator: str
    value: Any

    def pairs(self) -> list[tuple[str, str]]:
        """Give the parameters that say this."""
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        return [(self.parameter, as_text(value)) for value in values]


@dataclass(frozen=True)
class Sort:
    """Order by what a path leads to; a row without a value counts as greater than every other."""

    path: str
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.path}" if self.descending else self.path


@dataclass(frozen=True)
class Selection:
    """Say which rows of a model are wanted and in which order. A resource reads one from a query."""

    filters: tuple[Filter, ...] = ()
    sort: tuple[Sort, ...] = ()
    words: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    """The paths in which the words are searched."""

    def __str__(self) -> str:
        pairs = [pair for one in self.filters for pair in one.pairs()]
        if self.words:
            pairs.append(("q", " ".join(self.words)))
        if self.sort:
            pairs.append(("sort", ",".join(map(str, self.sort))))
        return urlencode(pairs)

    def apply(self, statement: StatementT) -> StatementT:
        """Narrow a select of the model, or of an alias of it; its order stays where no other is wanted."""
        entity = selected(statement, "A selection")
        conditions = [*_conditions(entity, [(one.path.split("."), one) for one in self.filters])]
        conditions += [_found(entity, self.searched, word) for word in self.words]
        if conditions:
            statement = statement.where(*conditions)
        if self.sort:
            statement = _ordered(statement, self.sort)
        return statement


def _conditions(entity: Any, filters: Iterable[tuple[list[str], Filter]]) -> list[Condition]:
    own: list[Condition] = []
    below: dict[str, list[tuple[list[str], Filter]]] = {}
    for (name, *rest), one in filters:
        if rest:
            below.setdefault(name, []).append((rest, one))
        else:
            own.append(OPERATORS[one.operator].build(getattr(entity, name), one.value))
    for name, inner in below.items():
        target, link = related_to(entity, name)
        own.append(_exists(link, and_(*_conditions(target, inner))))
    return own


def _found(entity: Any, paths: Iterable[str], word: str) -> Condition:
    return or_(*(_found_at(entity, path, word) for path in paths))


def _found_at(entity: Any, path: str, word: str) -> Condition:
    name, _, rest = path.partition(".")
    if not rest:
        return OPERATORS["icontains"].build(getattr(entity, name), word)
    target, link = related_to(entity, name)
    return _exists(link, _found_at(target, rest, word))


def _exists(link: Any, condition: Condition) -> Condition:
    found: Condition = link.any(condition) if link.property.uselist else link.has(condition)
    return found


def _ordered(statement: Any, sort: Iterable[Sort]) -> Any:
    """Order by the values alone. To-one joins repeat no row, and a keyset page can look at their columns."""
    model = selected_model(statement, "A sort")
    way, order = Way(statement), []
    for one in sort:
        path, value = resolve(model, one.path), way.to(one.path)
        directed = value.desc() if one.descending else value.asc()
        if path.nullable or path.optional:  # as pages place nulls, and PostgreSQL's indexes
            directed = directed.nulls_first() if one.descending else directed.nulls_last()
        order.append(directed)
    return way.statement.order_by(None).order_by(*order)
