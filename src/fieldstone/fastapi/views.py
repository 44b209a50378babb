"""The views of a resource in requests and responses: picked by name, answered by exactly one schema.

A plain union would let Pydantic pick the schema that fits, and where one has all the fields of
another, any might. Here the object's own class decides, so nothing is left out and nothing is added. The
schema of the API says `anyOf`, since an object of the larger schema fits the smaller one as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, create_model
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
    tags = {schema: str(number) for number, schema in enumerate(dict.fromkeys(schemas))}
    if len(tags) == 1:
        return next(iter(tags))

    def tag_of(value: Any) -> str | None:
        return next((tags[cls] for cls in type(value).__mro__ if cls in tags), None)

    members: Any = reduce(or_, [Annotated[schema, Tag(tag)] for schema, tag in tags.items()])
    return Annotated[members, Discriminator(tag_of), _AnyOf()]


class _AnyOf:
    """Document a union whose members overlap."""

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        schema: dict[str, Any] = handler(core_schema)
        return {"anyOf": schema.pop("oneOf"), **schema}
