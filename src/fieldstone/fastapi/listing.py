"""The query of a list: which page of it.

It is a model of its own for each resource, so that OpenAPI tells its bounds, and a name that it
does not know is refused with those that it does: a misspelt parameter that is ignored answers
another question than was asked.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from fieldstone.pages import LARGEST_OFFSET
from fieldstone.resource import Resource


class Listing(BaseModel):
    """Which page of a list is wanted."""

    model_config = ConfigDict(extra="forbid")

    size: int
    offset: int = Field(default=0, ge=0, le=LARGEST_OFFSET, description="How many results to skip.")
    total: bool = Field(default=False, description="Whether to count all results.")

    @model_validator(mode="wrap")
    @classmethod
    def _name_what_is_allowed(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            raise ValidationError.from_exception_data(
                error.title, [cls._explained(one) for one in error.errors()]
            ) from None

    @classmethod
    def _explained(cls, one: Any) -> InitErrorDetails:
        kind: str | PydanticCustomError = one["type"]
        if one["type"] == "extra_forbidden":
            kind = PydanticCustomError(
                "unknown_parameter",
                "Unknown parameter. Known are: {known}",
                {"known": ", ".join(cls.model_fields)},
            )
        return InitErrorDetails(type=kind, loc=one["loc"], input=one["input"], ctx=one.get("ctx", {}))


def listing_of(resource: Resource[Any, Any, Any, Any]) -> type[Listing]:
    """Make the query of a resource's list, with the resource's own page sizes."""
    size = Field(
        default=resource.page_size, ge=1, le=resource.max_page_size, description="The most results to return."
    )
    return create_model(f"{resource.model.__name__}Listing", __base__=Listing, size=(int, size))
