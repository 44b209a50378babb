"""What a write gives back: the columns that RETURNING names, as objects of a schema.

A write returns columns of the row that it wrote. A schema that also shows related rows needs a
read, so a write over many rows refuses it rather than hide a statement for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from sqlmodel import SQLModel

from fieldstone.errors import PlanError
from fieldstone.reading.objects import object_of
from fieldstone.reading.plans import plan

SchemaT = TypeVar("SchemaT", bound=BaseModel)


@dataclass(frozen=True)
class Returned(Generic[SchemaT]):
    """The columns to return, and how to make an object of their values."""

    model: type[SQLModel]
    schema: type[SchemaT]
    names: tuple[str, ...]
    columns: tuple[Any, ...]

    def object(self, values: Sequence[Any]) -> SchemaT:
        """Make the schema's object of one returned row."""
        found = dict(zip(self.names, values, strict=False))
        return object_of(self.schema, found, subject=self.model.__name__)


def is_flat(model: type[SQLModel], schema: type[BaseModel]) -> bool:
    """Tell whether a schema shows nothing but columns of the model. Raises as `plan` does."""
    made = plan(model, schema)
    return not (made.joins or made.collections)


def returned(model: type[SQLModel], schema: type[SchemaT]) -> Returned[SchemaT]:
    """Say what to return for a schema. Raises PlanError where it shows related rows."""
    made = plan(model, schema)
    related = [one.name for one in (*made.joins, *made.collections)]
    if related:
        raise PlanError(
            f"{schema.__name__} shows {', '.join(related)} of {model.__name__}, but a write over many rows "
            "gives back the columns of its own table. Use a schema without it, or fetch(...) afterwards."
        )
    return Returned(model, schema, made.columns, tuple(getattr(model, name) for name in made.columns))
