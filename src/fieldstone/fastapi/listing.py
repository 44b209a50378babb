"""The query of a list: which rows, in which order, and which page of them.

It is a model of its own for each resource, so that OpenAPI tells its filters and bounds. A name that nothing
declares is refused with those that are known: a misspelt parameter that is ignored answers another
question than was asked. What dependencies of the router or application declare is known, too; the
one public place where FastAPI gathers it is the schema of the API.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, get_origin

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, create_model

from fieldstone.errors import Problem
from fieldstone.filters import Selection
from fieldstone.filters.grammar import sent_twice
from fieldstone.paging.pages import LARGEST_OFFSET
from fieldstone.resource import Resource


class Listing(BaseModel):
    """Which page of a list is wanted."""

    model_config = ConfigDict(extra="allow")

    size: int
    offset: int = Field(default=0, ge=0, le=LARGEST_OFFSET, description="How many results to skip.")
    total: bool = Field(default=False, description="Whether to count all results.")


def listing_of(resource: Resource[Any, Any, Any, Any]) -> type[Listing]:
    """Make the query of a resource's list: its own page sizes, filters and sort."""
    size = Field(
        default=resource.page_size, ge=1, le=resource.max_page_size, description="The most results to return."
    )
    made: type[Listing] = create_model(
        f"{resource.model.__name__}Listing",
        __base__=Listing,
        size=(int, size),
        **resource.grammar.fields(),  # type: ignore[call-overload]  # the fields are known at run time only
    )
    return made


def selection_of(resource: Resource[Any, Any, Any, Any], query: Listing) -> Selection:
    """Say which rows a query asks for, and in which order."""
    return resource.grammar.selection(
        {
            field.alias or name: getattr(query, name)
            for name, field in type(query).model_fields.items()
            if name not in Listing.model_fields
        }
    )


def refuse_unknown(
    resource: Resource[Any, Any, Any, Any], query: Listing, request: Request, operation_id: str
) -> None:
    """Raise RequestValidationError for parameters that neither the list nor a dependency declares.

    A parameter that takes one value and is sent twice is refused, too: whichever counts, it is not
    what the other says.
    """
    own = {field.alias or name: field.annotation for name, field in type(query).model_fields.items()}
    problems = [*_repeated(own, request), *_unknown(resource, query, request.app, operation_id)]
    if problems:
        raise RequestValidationError(
            [
                {"type": problem.rule, "loc": ("query", *problem.path), "msg": problem.message}
                for problem in problems
            ]
        )


def _repeated(own: dict[str, Any], request: Request) -> Iterator[Problem]:
    several = {name for name, annotation in own.items() if get_origin(annotation) is list}
    sent = Counter(name for name, _ in request.query_params.multi_items())
    for name in own:
        if sent[name] > 1 and name not in several:
            yield sent_twice(name, several)


def _unknown(
    resource: Resource[Any, Any, Any, Any], query: Listing, app: FastAPI, operation_id: str
) -> Iterator[Problem]:
    if not query.model_extra:
        return
    own = [field.alias or name for name, field in type(query).model_fields.items()]
    further = sorted(_declared(app, operation_id) - set(own))
    for name in query.model_extra:
        if name not in own and name not in further:
            known = resource.grammar.known(name, [*Listing.model_fields, *further])
            yield Problem((name,), "unknown_parameter", known)


def _declared(app: FastAPI, operation_id: str) -> set[str]:
    return {
        parameter["name"]
        for path in app.openapi()["paths"].values()
        for operation in path.values()
        if operation.get("operationId") == operation_id
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query"
    }
