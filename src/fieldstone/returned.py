"""What a write gives back: the columns that RETURNING names, as objects of a schema.

A write returns columns of the row that it wrote. A schema that also shows related rows needs a
read, so a write over many rows refuses it rather than hide a statement for each.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from sqlmodel import SQLModel

from fieldstone.errors import PlanError
from fieldstone.plans import plan
from fieldstone.twins import twin

SchemaT = TypeVar("SchemaT", bound=BaseModel)

logger = logging.getLogger("fieldstone")


@dataclass(frozen=True)
class Returned(Generic[SchemaT]):
    """The columns to return, and how to make an object of their values."""

    schema: type[SchemaT]
    names: tuple[str, ...]
    columns: tuple[Any, ...]

    def object(self, values: Sequence[Any]) -> SchemaT:
        """Make the schema's object; a row that another program wrote badly is given as stored."""
        found = dict(zip(self.names, values, strict=False))
        try:
            made: SchemaT = twin(self.schema).validate_python(found, by_name=True, by_alias=False)
        except ValidationError:
            logger.warning(
                "A row does not fit %s and is given as stored; fetch(...) names its fields",
                self.schema.__name__,
            )
            made = self.schema.model_construct(**found)
        return made


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
    return Returned(schema, made.columns, tuple(getattr(model, name) for name in made.columns))
