"""The query of a list: which page of it.

It is a model of its own for each resource, so that OpenAPI tells its bounds. A name that nothing
declares is refused with those that are known: a misspelt parameter that is ignored answers another
question than was asked. What dependencies of the router or application declare is known, too; the
one public place where FastAPI gathers it is the schema of the API.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, create_model

from fieldstone.pages import LARGEST_OFFSET
from fieldstone.resource import Resource


class Listing(BaseModel):
    """Which page of a list is wanted."""

    model_config = ConfigDict(extra="allow")

    size: int
    offset: int = Field(default=0, ge=0, le=LARGEST_OFFSET, description="How many results to skip.")
    total: bool = Field(default=False, description="Whether to count all results.")


def listing_of(resource: Resource[Any, Any, Any, Any]) -> type[Listing]:
    """Make the query of a resource's list, with the resource's own page sizes."""
    size = Field(
        default=resource.page_size, ge=1, le=resource.max_page_size, description="The most results to return."
    )
    return create_model(f"{resource.model.__name__}Listing", __base__=Listing, size=(int, size))


def refuse_unknown(query: Listing, app: FastAPI, operation_id: str) -> None:
    """Raise RequestValidationError for parameters that neither the list nor a dependency declares."""
    if not query.model_extra:
        return
    known = [*type(query).model_fields, *sorted(_declared(app, operation_id) - set(type(query).model_fields))]
    message = f"Unknown parameter. Known are: {', '.join(known)}"
    unknown = [name for name in query.model_extra if name not in known]
    if unknown:
        raise RequestValidationError(
            [{"type": "unknown_parameter", "loc": ("query", name), "msg": message} for name in unknown]
        )


def _declared(app: FastAPI, operation_id: str) -> set[str]:
    return {
        parameter["name"]
        for path in app.openapi()["paths"].values()
        for operation in path.values()
        if operation.get("operationId") == operation_id
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query"
    }
