"""What a read into a schema takes: which columns, which joins, which further statements.

The schema is the query. Each of its fields is a column of the model, or a relationship whose
schema says in turn what to read there. A to-one relationship joins the statement it belongs to;
a collection takes one further statement for all its parents at once. So a plan knows before it
runs how many statements it may take, and nothing that the schema does not name is read.

A plan is made once per (model, schema), holds no connection and can be printed.
`assembly.py` turns it into SQL and rows into values; `reading.py` runs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy import Column, Index, UniqueConstraint, and_
from sqlalchemy.orm import (
    RelationshipProperty,
    joinedload,
    load_only,
    raiseload,
    selectinload,
)
from sqlalchemy.orm.interfaces import ORMOption
from sqlmodel import SQLModel

from fieldstone.cache import cached
from fieldstone.errors import PlanError
from fieldstone.keys import key_names, mapper_of
from fieldstone.reading.exactness import why
from fieldstone.schemas import check_read, related_schema


@dataclass(frozen=True)
class Depth:
    """Say how many levels of a schema that contains itself are read.

    `subtasks: Annotated[list["TaskTree"], Depth(3)] = []` reads three levels of subtasks; the
    objects of the last level keep the field's default.
    """

    levels: int


@dataclass(frozen=True, eq=False)
class ReadPlan:
    """How one schema is read from one model: columns, joined shapes and collections."""

    model: type[SQLModel]
    schema: type[BaseModel]
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    joins: tuple[Related, ...]
    collections: tuple[Related, ...]

    @cached_property
    def budget(self) -> int:
        """The largest number of statements that one read by this plan takes."""
        return 1 + sum(1 for _ in self.follow_ups())

    @cached_property
    def selected(self) -> tuple[str, ...]:
        """The attributes that the statement selects: the schema's, then what is only needed to connect."""
        connecting = [name for related in self.collections for name in related.local_names]
        return tuple(dict.fromkeys([*self.columns, *self.keys, *connecting]))

    @cached_property
    def why(self) -> str:
        """Say how `json` writes what is read by this plan, and why not from rows where it does not."""
        return why(self)

    def follow_ups(self, path: str = "") -> Iterator[tuple[str, Related]]:
        """Yield each collection, at any depth, with the path that leads to it from the schema."""
        for related in self.collections:
            yield path + related.name, related
        for related in (*self.joins, *self.collections):
            yield from related.plan.follow_ups(f"{path}{related.name}.")

    def options(self) -> list[Any]:
        """Build loader options that give ORM instances with what the schema names, and nothing lazily."""
        mapper = mapper_of(self.model)
        wanted = [getattr(self.model, name) for name in self.selected if name in mapper.column_attrs]
        options: list[Any] = [load_only(*wanted, raiseload=True)]
        for related in self.joins:
            options += [joinedload(related.attribute).options(*related.plan.options())]
        for related in self.collections:
            options += [selectinload(related.attribute).options(*related.plan.options())]
        return [*options, raiseload("*")]

    def __str__(self) -> str:
        return "\n".join(_describe(self))


@dataclass(frozen=True, eq=False)
class Related:
    """A relationship that a schema names, with the plan for what stands at its other end."""

    name: str
    relationship: RelationshipProperty[Any]
    plan: ReadPlan
    many: bool

    @property
    def attribute(self) -> Any:
        return self.relationship.class_attribute

    @cached_property
    def needed(self) -> bool:
        """Whether the row at the other end must be there: the foreign key allows no null."""
        return self.relationship.direction.name == "MANYTOONE" and not any(
            column.nullable for column in self.relationship.local_columns
        )

    @cached_property
    def direct(self) -> bool:
        """Whether plain column equality connects parents and children, so that no parent needs joining."""
        return _is_plain_equality(self.relationship)

    @cached_property
    def indexed(self) -> bool:
        """Whether an index finds the rows that belong to one parent."""
        if not self.direct:
            return False
        remote = {remote for _, remote in self.relationship.synchronize_pairs}
        return any(remote == set(columns[: len(remote)]) for columns in _indexed(remote))

    @cached_property
    def local_names(self) -> tuple[str, ...]:
        """The parent's attributes whose values the children are fetched by."""
        parent: Any = self.relationship.parent
        if not self.direct:
            return key_names(parent.class_)
        pairs = self.relationship.synchronize_pairs
        return tuple(parent.get_property_by_column(local).key for local, _ in pairs)


def plan(model: type[SQLModel], schema: type[BaseModel]) -> ReadPlan:
    """Plan how to read the schema from the model; the plan prints itself and states its budget.

    Raises SchemaError when the schema names what the model does not have, or has in another form,
    and PlanError when it contains itself without end.
    """
    return _plan(model, schema)


def loading(schema: type[BaseModel], model: type[SQLModel]) -> list[ORMOption]:
    """Give loader options for those who want instances: what the schema names is loaded, the rest raises.

    Use them as `session.exec(select(Task).options(*loading(TaskRead, Task)))`.
    """
    return plan(model, schema).options()


@cached
def _plan(model: type[SQLModel], schema: type[BaseModel]) -> ReadPlan:
    mapper_of(model).registry.configure()
    check_read(schema, model)
    return _Planner().plan(model, schema)


class _Planner:
    """Walk a schema beside its model; remembers how often each schema contains itself on the way down."""

    def __init__(self) -> None:
        self.entered: dict[tuple[type[BaseModel], str], int] = {}

    def plan(self, model: type[SQLModel], schema: type[BaseModel]) -> ReadPlan:
        mapper = mapper_of(model)
        columns: list[str] = []
        joins: list[Related] = []
        collections: list[Related] = []
        for name, field in schema.model_fields.items():
            if name not in mapper.relationships:
                columns.append(name)
            elif self.enter(schema, name, field):
                related = self.related(schema, name, field, mapper.relationships[name])
                (joins if _joins(related) else collections).append(related)
                self.entered[schema, name] -= 1
        keys = tuple(name for name in key_names(model) if name not in columns)
        return ReadPlan(model, schema, tuple(columns), keys, tuple(joins), tuple(collections))

    def related(
        self, schema: type[BaseModel], name: str, field: FieldInfo, relationship: RelationshipProperty[Any]
    ) -> Related:
        target = related_schema(schema, name, field, relationship)
        plan = self.plan(relationship.mapper.class_, target)
        return Related(name, relationship, plan, many=bool(relationship.uselist))

    def enter(self, schema: type[BaseModel], name: str, field: FieldInfo) -> bool:
        """Count one more level of this field; False where its declared depth is reached."""
        levels = next((one.levels for one in field.metadata if isinstance(one, Depth)), None)
        seen = self.entered.get((schema, name), 0)
        if levels is None and seen:
            raise PlanError(
                f"{schema.__name__}.{name} contains itself without end. "
                f"Annotate it as Annotated[..., Depth(3)] with a default, or name a smaller schema there."
            )
        if levels is not None and field.is_required():
            raise PlanError(
                f"{schema.__name__}.{name} needs a default for the objects below depth {levels}. Add: = []"
            )
        if levels is not None and seen >= levels:
            return False
        self.entered[schema, name] = seen + 1
        return True


def _joins(related: Related) -> bool:
    """A join must not multiply rows: to-one by foreign key, or one-to-one over a unique one."""
    if related.many:
        return False
    relationship = related.relationship
    if relationship.direction.name == "MANYTOONE":
        return True
    remote = {remote for _, remote in relationship.local_remote_pairs or ()}
    return relationship.secondary is None and any(remote == unique for unique in _unique_sets(remote))


def _unique_sets(columns: set[Any]) -> Iterator[set[Any]]:
    for column in columns:
        if isinstance(column, Column) and column.unique:
            yield {column}
    for table in {column.table for column in columns}:
        yield set(table.primary_key.columns)
        for constraint in table.constraints:
            if isinstance(constraint, UniqueConstraint):
                yield set(constraint.columns)
        for index in table.indexes:
            if index.unique and not index.dialect_options["postgresql"].get("where"):
                yield set(index.columns)


def _indexed(columns: set[Any]) -> Iterator[list[Any]]:
    """Yield the columns of each index that a table of these columns has, in order."""
    for table in {column.table for column in columns}:
        yield list(table.primary_key.columns)
        for constraint in table.constraints:
            if isinstance(constraint, UniqueConstraint):
                yield list(constraint.columns)
        for index in table.indexes:
            if not _is_partial(index):
                yield list(index.expressions)


def _is_partial(index: Index) -> bool:
    return any(index.dialect_options[name].get("where") is not None for name in ("postgresql", "sqlite"))


def _is_plain_equality(relationship: RelationshipProperty[Any]) -> bool:
    """Whether the join says nothing but column = column, on both legs where a link table stands between."""
    if relationship.direction.name == "MANYTOONE":
        return False
    legs: list[tuple[Any, Any]] = [(relationship.primaryjoin, relationship.synchronize_pairs)]
    if relationship.secondary is not None:
        legs.append((relationship.secondaryjoin, relationship.secondary_synchronize_pairs or []))
    return all(_equates(condition, pairs) for condition, pairs in legs) and not (
        relationship.secondary is None and relationship.mapper.with_polymorphic_mappers
    )


def _equates(condition: Any, pairs: Any) -> bool:
    plain = and_(*[left == right for left, right in pairs])
    return bool(pairs) and (
        plain.compare(condition) or and_(*[right == left for left, right in pairs]).compare(condition)
    )


def _describe(plan: ReadPlan) -> Iterator[str]:
    statements = "1 statement" if plan.budget == 1 else f"at most {plan.budget} statements"
    yield f"{plan.schema.__name__} from {plan.model.__name__}: {statements}"
    yield from _describe_statement(1, plan.model.__name__, plan)
    for number, (path, related) in enumerate(plan.follow_ups(), start=2):
        yield from _describe_statement(number, f"{path} (of all parents at once)", related.plan)


def _describe_statement(number: int, title: str, plan: ReadPlan) -> Iterator[str]:
    yield f"{number}. {title}: {', '.join(plan.selected)}"
    yield from _describe_joins(plan, "     ")


def _describe_joins(plan: ReadPlan, indent: str) -> Iterator[str]:
    for related in plan.joins:
        yield f"{indent}join {related.name}: {', '.join(related.plan.selected)}"
        yield from _describe_joins(related.plan, indent + "  ")
