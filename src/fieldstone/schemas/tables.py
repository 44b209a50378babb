"""The table that a schema stands beside: finding it, and saying what it has."""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import Mapper
from sqlmodel import SQLModel

from fieldstone.errors import SchemaError


def table_mapper(model: type[SQLModel]) -> Mapper[Any]:
    mapper = sa_inspect(model, raiseerr=False)
    if mapper is None:
        raise SchemaError(f"{model.__name__} is no table. Name the class that has table=True.")
    return cast(Mapper[Any], mapper)


def no_counterpart(schema: type[BaseModel], model: type[SQLModel], name: str) -> SchemaError:
    mapper = table_mapper(model)
    relationships = ", ".join(mapper.relationships.keys())
    return SchemaError(
        f"{schema.__name__}.{name} has no counterpart on {model.__name__}. Its columns are: "
        f"{', '.join(mapper.columns.keys())}"
        + (f"; its relationships: {relationships}" if relationships else "")
        + f". Rename {schema.__name__}.{name}, add it to {model.__name__}, or take it out."
    )
