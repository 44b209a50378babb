"""The statement whose rows are the JSON of a read: one text for each row, with all that hangs on it.

The row's own statement stays as the user and the plan wrote it, as a CTE: its filters, joins, order and limit
mean what they mean for rows. Each collection is the statement that reads it for many parents, held to one
parent and put together into a list. Only the columns of those statements are written as JSON, each by the
expression of its form.

One query for each parent looks like N+1 and is the opposite: it runs within the database, by an index, and a
plan has a composition only where there is one (`exactness`). Joined back to the page instead, PostgreSQL
reads whole tables as soon as it guesses the page to be large.

Pure: it builds statements and runs none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, Protocol, cast

from pydantic_core import to_json
from sqlalchemy import Text, case, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql.elements import ColumnElement, UnaryExpression

from fieldstone.reading.assembly import Layout, Statement, child_statement
from fieldstone.reading.exactness import exact
from fieldstone.reading.expressions import UNFIT, expression, quoted
from fieldstone.reading.plans import Related
from fieldstone.reading.preparation import Unpreparable

Options = tuple[Any, ...]
Part = ColumnElement[Any]
Members = Sequence[tuple[str, Part]]

_PAGE = "fieldstone_page"


def composed(statement: Statement, layout: Layout, dialect: str, added: Options) -> Statement:
    """Turn a statement for rows into one for their JSON, and what stood beside the layout's columns.

    `added` are the options that the session adds to each statement. Raises Unpreparable.
    """
    if statement._distinct or statement._for_update_arg is not None or _has_options(statement):
        raise Unpreparable
    composition = _Composition(_WRITERS[dialect], added)
    return composition.of(statement, layout)


def _has_options(statement: Statement) -> bool:
    # Where its columns are replaced, a select puts aside what options it had until then.
    return any(one._with_options for one in (statement, *statement._memoized_select_entities))


class _Composition:
    """One statement in the making; the selects within it are numbered."""

    def __init__(self, writer: _Writer, added: Options) -> None:
        self._writer = writer
        self._added = added
        self._number = 0

    def of(self, statement: Statement, layout: Layout) -> Statement:
        rows, order = self._exposed(statement, _PAGE)
        page = rows.cte(_PAGE).prefix_with("MATERIALIZED")
        width = len(statement._raw_columns)
        beside = [page.c[f"c{place}"] for place in range(layout.end, width)]
        made = select(self._row(layout, _PAGE).label("item"), *beside)
        return made.select_from(page).order_by(*order)

    def _exposed(self, statement: Statement, name: str) -> tuple[Statement, list[Any]]:
        """Name the columns of a select by their places, and select what it is ordered by.

        Gives the order too, as one who selects from it under this name has to write it.
        """
        selected = cast(Sequence[Any], statement._raw_columns)
        columns = [one.label(f"c{place}") for place, one in enumerate(selected)]
        keys, order = [], []
        for number, clause in enumerate(statement._order_by_clauses):
            key, manners = _taken_apart(clause)
            keys.append(key.label(f"o{number}"))
            place: Any = literal_column(f"{name}.o{number}")
            order.append(reduce(lambda found, wrap: wrap(found), manners, place))
        return statement.with_only_columns(*columns, *keys).options(*self._added), order

    def _row(self, layout: Layout, name: str) -> Part:
        """Write one row as a JSON object, in the order of the schema's fields."""
        known = exact(layout.plan)
        values = dict(self._values(layout, name))
        fields = layout.plan.schema.model_fields
        return self._writer.object(
            [(known.keys[field] or "", values[field]) for field in fields if field in values]
        )

    def _values(self, layout: Layout, name: str) -> Iterator[tuple[str, Part]]:
        known = exact(layout.plan)
        for place, column in enumerate(layout.plan.columns, start=layout.start):
            rule = known.forms[column].rule
            if rule is None:
                raise Unpreparable
            yield column, _sql(expression(rule, self._writer.dialect, f"{name}.c{place}"))
        for related, joined in layout.joined:
            missing = self._writer.unfit if related.name in known.required else self._writer.null
            absent = _sql(f"{name}.c{joined.presence} IS NULL")
            yield related.name, case((absent, missing), else_=self._row(joined, name))
        for related, places in layout.waiting:
            yield related.name, self._children(related, [f"{name}.c{place}" for place in places])
        for field, default in known.defaults.items():
            yield field, self._writer.null if default == "None" else self._writer.list_of(None, [])

    def _children(self, related: Related, keys: Sequence[str]) -> Part:
        """Write what one parent's collection holds, with the parent's key as SQL calls it outside."""
        self._number += 1
        name = f"fieldstone_{self._number}"
        statement, owner, layout = child_statement(related)
        ties = [one == _sql(key, one.type) for one, key in zip(owner, keys, strict=True)]
        rows, order = self._exposed(statement.where(*ties), name)
        item, within = self._row(layout, name), rows.subquery(name)
        if related.many:
            listed = select(self._writer.list_of(item, order)).select_from(within)
            return listed.scalar_subquery()
        only = select(item).select_from(within).order_by(*order).limit(_sql("1"))
        return self._writer.one_or_null(only.scalar_subquery())


def _taken_apart(clause: Any) -> tuple[Any, list[Any]]:
    """Take directions and the place of nulls off what a select is ordered by."""
    manners: list[Any] = []
    while isinstance(clause, UnaryExpression) and clause.modifier is not None:
        manners.insert(0, _manner(clause.modifier))
        clause = clause.element
    if not isinstance(clause, ColumnElement) or clause.__visit_name__ in _NAMES:
        raise Unpreparable
    return clause, manners


# What stands for a column by its name only, which is another one further out.
_NAMES = {"label_reference", "textual_label_reference"}


def _manner(modifier: Any) -> Any:
    return lambda element: UnaryExpression(element, modifier=modifier)


def _sql(text: str, kind: Any = None) -> Part:
    return literal_column(text, kind or Text())


# How a database puts values together


class _Writer(Protocol):
    dialect: str
    null: Part
    unfit: Part

    def object(self, members: Members) -> Part: ...
    def list_of(self, item: Part | None, order: Sequence[Any]) -> Part: ...
    def one_or_null(self, item: Part) -> Part: ...


class _Sqlite:
    """Put values together by SQLite's functions, which know JSON from text.

    Its own order within an aggregate came late. An aggregate over a subquery reads it in its order: SQLite
    leaves ORDER BY out of a subquery only where no function around it could tell.
    """

    dialect = "sqlite"
    null = _sql("NULL")
    unfit = _sql("char(0)")

    def object(self, members: Members) -> Part:
        return func.json_object(
            *[part for key, value in members for part in (_sql(quoted(key)), value)], type_=Text()
        )

    def list_of(self, item: Part | None, order: Sequence[Any]) -> Part:
        if item is None:
            return _sql("json('[]')")
        return func.json_group_array(item, type_=Text())

    def one_or_null(self, item: Part) -> Part:
        return item


class _Postgresql:
    """Put values together as text."""

    dialect = "postgresql"
    null = _sql("'null'")
    unfit = _sql(quoted(f'"{UNFIT}"'))

    def object(self, members: Members) -> Part:
        parts: list[Part] = []
        for key, value in members:
            before = ("," if parts else "{") + to_json(key).decode() + ":"
            parts += [_sql(quoted(before)), value]
        return _joined([*parts, _sql(quoted("}" if parts else "{}"))])

    def list_of(self, item: Part | None, order: Sequence[Any]) -> Part:
        if item is None:
            return _sql("'[]'")
        comma = _sql("','")
        listed = func.string_agg(item, aggregate_order_by(comma, *order) if order else comma, type_=Text())
        return _joined([_sql("'['"), func.coalesce(listed, _sql("''"), type_=Text()), _sql("']'")])

    def one_or_null(self, item: Part) -> Part:
        return func.coalesce(item, self.null, type_=Text())


def _joined(parts: Sequence[Part]) -> Part:
    return reduce(lambda before, part: before.op("||", return_type=Text())(part), parts)


_WRITERS: Mapping[str, _Writer] = {"sqlite": _Sqlite(), "postgresql": _Postgresql()}
