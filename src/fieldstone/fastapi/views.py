"""The views of a resource in requests and responses: picked by name, answered by exactly one schema.

A plain union would be written by the schema that fits the values. A row that was badly stored fits none as it
should, and could be shown as the parent class of its view. `SerializeAsAny` asks the object's own class.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, create_model
from pydantic.fields import FieldInfo

from fieldstone.resource import Resource

AnyResource = Resource[Any, Any, Any, Any]


def schema_of(resource: AnyResource, query: Any) -> type[BaseModel]:
    """Give the schema of the view that a query picks, or of the one that it gets without."""
    return resource.all_views[getattr(query, "view", resource.default_view)]


def view_field(names: Iterable[str], default: str, resource: AnyResource) -> tuple[Any, FieldInfo]:
    """Declare the parameter that picks a view."""
    shown = [f"{name} ({resource.all_views[name].__name__})" for name in names]
    described: Any = Field(
        default=default, description=f"Which form of a result to return: {', '.join(shown)}."
    )
    return Literal[tuple(names)], described


def view_query(resource: AnyResource) -> type[BaseModel] | None:
    """Make the query of what reads one row, or None where there is nothing to pick."""
    if len(resource.all_views) == 1:
        return None
    made: type[BaseModel] = create_model(
        f"{resource.model.__name__}View",
        __config__=ConfigDict(extra="allow"),
        view=view_field(resource.all_views, resource.default_view, resource),
    )
    return made


def exactly_one_of(schemas: Iterable[type[BaseModel]]) -> Any:
    """Make the type of a response that is an object of one of the schemas."""
    distinct: list[Any] = list(dict.fromkeys(schemas))
    if len(distinct) == 1:
        return distinct[0]
    return SerializeAsAny[reduce(or_, distinct)]  # type: ignore[misc]  # parametrised at run time
