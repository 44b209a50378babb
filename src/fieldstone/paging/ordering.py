"""The order of a list, made total: every row has one place, the same on both databases.

What a statement's ORDER BY leaves open is decided here. Rows that are equal in it stand by key,
in the direction of the last column (an index on that column then serves both). A null counts as greater
than every value, unless `nulls_first()` or `nulls_last()` says otherwise: that is what PostgreSQL does, and
what its indexes are made for; SQLite is told to do so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from sqlalchemy import JSON, Column, Select, UnaryExpression
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeDecorator
from sqlalchemy.util import LRUCache

from fieldstone.errors import PlanError
from fieldstone.keys import key_attributes, selected
from fieldstone.paging.joins import Source, leaves, sources


@dataclass(frozen=True)
class Term:
    """One column of an order. `nulls_first` says where nulls stand in this direction, if there can be any."""

    column: Any
    descending: bool
    nulls_first: bool
    nullable: bool

    @property
    def clause(self) -> Any:
        """What stands in ORDER BY for it."""
        directed = self.column.desc() if self.descending else self.column.asc()
        if not self.nullable:
            return directed
        return directed.nulls_first() if self.nulls_first else directed.nulls_last()

    @property
    def reverse(self) -> Term:
        """The same term read from the other end."""
        return replace(self, descending=not self.descending, nulls_first=not self.nulls_first)

    @property
    def enum(self) -> type[Enum] | None:
        """The Enum whose members the column gives, if any."""
        kind: type[Enum] | None = getattr(
            self.column.type, "enum", getattr(self.column.type, "enum_class", None)
        )
        return kind


@dataclass(frozen=True)
class Shape:
    """What follows from how a statement is written, apart from the values in it.

    `places` says which of its values tell lists apart, in the order of the text.
    """

    text: str
    nullable: tuple[bool, ...]
    places: tuple[int, ...]


@dataclass(frozen=True)
class Order:
    """A total order by columns, and what tells its statement from others."""

    terms: tuple[Term, ...]
    identity: tuple[str, ...]


def in_order(statement: Any) -> Any:
    """Make the statement's order total, whatever it orders by."""
    entity = selected(statement, "A page")
    own = set(leaves(sa_inspect(entity).selectable))
    given = _clauses(statement)
    terms = [_term(clause) for clause in given]
    known = [term for term in terms if term is not None]
    clauses = [
        clause if term is None else _maybe_joined(term, own).clause
        for clause, term in zip(given, terms, strict=True)
    ]
    ties = _tie_break(entity, known, descending=bool(given) and _is_descending(given[-1]))
    return statement.order_by(None).order_by(*clauses, *[term.clause for term in ties])


def order_of(statement: Select[Any], entity: Any) -> Order:
    """Read a statement's order as columns, ending in the key. Raises PlanError where it has other parts."""
    if statement._limit_clause is not None or statement._offset_clause is not None:
        raise PlanError(
            f"A keyset page of {_name(entity)} has a size instead of a limit. "
            "Take limit(...) and offset(...) off the statement."
        )
    terms = tuple(_column_term(clause, entity) for clause in _clauses(statement))
    terms = _until_unique((*terms, *_tie_break(entity, terms, bool(terms) and terms[-1].descending)), entity)
    shape, values = _shape(statement, entity, terms)
    known = zip(terms, shape.nullable, strict=True)
    return Order(
        tuple(replace(term, nullable=nullable) for term, nullable in known),
        (_name(entity), shape.text, values),
    )


def _clauses(statement: Any) -> tuple[Any, ...]:
    """Give the parts of ORDER BY, for which SQLAlchemy has no public name."""
    return tuple(statement._order_by_clauses)


def _term(clause: Any) -> Term | None:
    """Read one part of ORDER BY; None for what is no column."""
    nulls_first: bool | None = None
    descending = False
    while isinstance(clause, UnaryExpression):
        if clause.modifier in (operators.nulls_first_op, operators.nulls_last_op):
            nulls_first = clause.modifier is operators.nulls_first_op
        elif clause.modifier in (operators.desc_op, operators.asc_op):
            descending = clause.modifier is operators.desc_op
        else:
            return None
        clause = clause.element
    if not isinstance(clause, Column) or clause.table is None:
        return None
    return Term(clause, descending, descending if nulls_first is None else nulls_first, bool(clause.nullable))


def _column_term(clause: Any, entity: Any) -> Term:
    term = _term(clause)
    if term is None:
        raise PlanError(
            f"A keyset page of {_name(entity)} cannot be ordered by {_shown(clause)}, which is no column. "
            f"Order by columns of {_name(entity)} or of what it joins one of, store the value in a column "
            "of its own, or use page(...)."
        )
    kind = term.column.type
    if isinstance(kind.impl_instance if isinstance(kind, TypeDecorator) else kind, JSON):
        raise PlanError(
            f"A keyset page of {_name(entity)} cannot be ordered by {_shown(term.column)}, which holds JSON. "
            "Store what is to be ordered by in a column of its own."
        )
    return term


def _maybe_joined(term: Term, own: set[Any]) -> Term:
    """An outer join may leave another table's columns null; saying where nulls stand costs nothing."""
    return replace(term, nullable=term.nullable or term.column.table not in own)


def _is_descending(clause: Any) -> bool:
    while isinstance(clause, UnaryExpression):
        if clause.modifier is operators.desc_op:
            return True
        clause = clause.element
    return False


def _tie_break(entity: Any, terms: Any, descending: bool) -> Iterator[Term]:
    present = {_place(term.column) for term in terms}
    for attribute in key_attributes(entity):
        column = attribute.expression
        if _place(column) not in present:
            yield Term(column, descending, descending, nullable=False)


def _until_unique(terms: tuple[Term, ...], entity: Any) -> tuple[Term, ...]:
    """Leave out what stands behind the whole key: it decides nothing any more."""
    missing = {_place(attribute.expression) for attribute in key_attributes(entity)}
    for number, term in enumerate(terms, start=1):
        missing.discard(_place(term.column))
        if not missing:
            return terms[:number]
    return terms


def _place(column: Any) -> tuple[Any, str]:
    return column.table, column.key


_shapes: LRUCache[Any, Shape] = LRUCache(500)


def _shape(statement: Any, entity: Any, terms: tuple[Term, ...]) -> tuple[Shape, str]:
    """Look at a statement as a whole, once for all that differ in values only; and give its values."""
    cache_key = statement._generate_cache_key()
    if cache_key is None:  # something in it cannot be cached
        whole = _whole(statement, entity)
        values = repr(sorted(whole.compile().params.items()))
        return Shape(str(whole), _nullables(whole, entity, terms), ()), values
    shape = _shapes.get(cache_key.key)
    if shape is None:
        shape = _shapes[cache_key.key] = _looked_at(statement, entity, terms, cache_key.bindparams)
    return shape, repr([cache_key.bindparams[place].effective_value for place in shape.places])


def _looked_at(statement: Any, entity: Any, terms: tuple[Term, ...], binds: list[Any]) -> Shape:
    whole = _whole(statement, entity)
    places = {id(bind): place for place, bind in enumerate(binds)}  # the copy has the same conditions in it
    kept = tuple(places[id(bind)] for bind in whole._generate_cache_key().bindparams)
    return Shape(str(whole), _nullables(whole, entity, terms), kept)


def _whole(statement: Any, entity: Any) -> Any:
    """Leave out of a statement what it shows, which makes no other list of it."""
    return statement.with_only_columns(*key_attributes(entity), maintain_column_froms=True)


def _nullables(whole: Any, entity: Any, terms: tuple[Term, ...]) -> tuple[bool, ...]:
    found = sources(whole, entity)
    return tuple(_nullable(term, found, entity) for term in terms)


def _nullable(term: Term, found: dict[Any, Source], entity: Any) -> bool:
    source = found.get(term.column.table)
    if source is None:
        raise PlanError(
            f"A keyset page of {_name(entity)} cannot be ordered by {_shown(term.column)}: "
            "its table is not in the statement. "
            "Join it, as in: select(Task).join(Task.project).order_by(Project.name)"
        )
    if not source.single:
        raise PlanError(
            f"A keyset page of {_name(entity)} cannot be ordered by {_shown(term.column)}: a {_name(entity)} "
            "may join several of these. Order by columns of what it joins at most one of, by a unique key."
        )
    return term.nullable or source.optional


def _name(entity: Any) -> str:
    return str(getattr(entity, "__name__", None) or entity._aliased_insp.class_.__name__)


def _shown(clause: Any) -> str:
    return repr(str(clause))
