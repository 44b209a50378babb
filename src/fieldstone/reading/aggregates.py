"""Group-by reads: an ordinary select of labelled columns and a schema in, schema objects out.

A plan reads rows of a model; an aggregate has no rows, so its columns are what the select says. What
is checked is that they and the schema's fields are the same names: then nothing is computed for
nobody, and nothing is missing.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Select
from sqlmodel import Session

from fieldstone.errors import PlanError
from fieldstone.reading.objects import object_of
from fieldstone.reading.unreadable import rows_of
from fieldstone.verbs import verb

SchemaT = TypeVar("SchemaT", bound=BaseModel)


Statement = Select[*tuple[Any, ...]]


@verb(reads=True)
def aggregate(session: Session, statement: Statement, schema: type[SchemaT]) -> list[SchemaT]:
    """Read the rows of a select of columns by their labels, in one statement.

    The labels and the fields of the schema must be the same names; else raises PlanError.
    """
    names = columns_for(statement, schema)
    rows = rows_of(session, statement)
    return [
        object_of(schema, dict(zip(names, row, strict=True)), subject="An aggregated row") for row in rows
    ]


def columns_for(statement: Statement, schema: type[BaseModel]) -> tuple[str, ...]:
    """Name the columns of a select in their order, if they are the fields of the schema."""
    if not isinstance(statement, Select):
        raise PlanError(
            f"An aggregate takes a select of labelled columns, not {type(statement).__name__}. "
            'Write: select(Task.status, func.count().label("count")).group_by(Task.status)'
        )
    described: list[Any] = list(statement.column_descriptions)
    _refuse_entities(described)
    names = tuple(_label(one) for one in described)
    if len(set(names)) == len(names) and set(names) == set(schema.model_fields):
        return names
    raise PlanError(
        f"The columns of the select are not the fields of {schema.__name__}. "
        f"The columns: {', '.join(names)}; the fields: {', '.join(schema.model_fields)}. "
        'Give each column the name of its field, with .label("...").'
    )


def _refuse_entities(described: list[Any]) -> None:
    whole = next((one["name"] for one in described if _is_entity(one)), None)
    if whole is not None:
        raise PlanError(
            f"An aggregate takes columns, and {whole} is a whole model. Name its columns, or read rows "
            "of it with fetch(...)."
        )


def _is_entity(described: Any) -> bool:
    return described.get("entity") is described["expr"]


def _label(described: Any) -> str:
    name = described["name"]
    return "(no label)" if name is None or name == "_no_label" else str(name)
