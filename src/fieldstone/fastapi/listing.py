"""The query of a list: which rows, in which order, in which view, and which page of them.

It is a model of its own for each resource, so that OpenAPI tells its filters and bounds. A name that nothing
declares is refused with those that are known: a misspelt parameter that is ignored answers another
question than was asked. What dependencies of the router or application declare is known, too; the
one public place where FastAPI gathers it is the schema of the API.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, get_origin

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, create_model

from fieldstone.errors import Problem
from fieldstone.fastapi.views import AnyResource, view_field
from fieldstone.filters.grammar import sent_twice
from fieldstone.paging.pages import LARGEST_OFFSET

OWN = ("size", "offset", "cursor", "total", "view")
"""What a list's own parameters may be called, apart from `q`, `sort` and the filters."""


def listing_of(resource: AnyResource) -> type[BaseModel]:
    """Make the query of a resource's list: its own page sizes, views, filters and sort."""
    return query_model(resource, "Listing", _page_fields(resource) | _view_fields(resource))


def query_model(resource: AnyResource, kind: str, fields: dict[str, Any]) -> type[BaseModel]:
    """Make a query of these fields, beside the filters, the sort and the search of a resource."""
    declared: Any = fields | resource.grammar.fields()
    made: type[BaseModel] = create_model(
        f"{resource.model.__name__}{kind}", __config__=ConfigDict(extra="allow"), **declared
    )
    return made


def statement_of(resource: AnyResource, query: BaseModel) -> Any:
    """Build the statement for the rows that a query asks for, in the order that it asks for."""
    selection = resource.grammar.selection(
        {
            field.alias or name: getattr(query, name)
            for name, field in type(query).model_fields.items()
            if name not in OWN
        }
    )
    return resource.select(selection)


def _page_fields(resource: AnyResource) -> dict[str, Any]:
    size = Field(
        default=resource.page_size, ge=1, le=resource.max_page_size, description="The most results to return."
    )
    fields: dict[str, Any] = {"size": (int, size)}
    if resource.paging == "offset":
        skipped = Field(default=0, ge=0, le=LARGEST_OFFSET, description="How many results to skip.")
        fields["offset"] = (int, skipped)
    else:
        fields["cursor"] = (str, _cursor_field())
    if resource.total:
        fields["total"] = (bool, Field(default=False, description=_total_described(resource.total)))
    return fields


def _cursor_field() -> Any:
    """Declare a parameter that may be left out, without a null that nobody can send."""
    return Field(
        default_factory=lambda: None,
        description=(
            "Where to go on: `next` or `previous` of a page of the same list, with the same filters and "
            "the same sort."
        ),
        examples=["AbX0dGhpcy1pcy1hbi1leGFtcGxl"],
    )


def _total_described(total: bool | int) -> str:
    if total is True:
        return "Whether to count all results."
    return f"Whether to count the results, up to {total}; `total_capped` says that there are more."


def _view_fields(resource: AnyResource) -> dict[str, Any]:
    if len(resource.all_views) == 1:
        return {}
    return {"view": view_field(resource.all_views, resource.default_view, resource)}


def refuse_unknown(resource: AnyResource, query: BaseModel, request: Request, operation_id: str) -> None:
    """Raise RequestValidationError for parameters that neither the query nor a dependency declares.

    A parameter that takes one value and is sent twice is refused, too: whichever counts, it is not
    what the other says.
    """
    own = {field.alias or name: field.annotation for name, field in type(query).model_fields.items()}
    problems = [*_repeated(own, request), *_unknown(resource, query, request.app, operation_id)]
    if problems:
        raise refused(problems)


def refused(problems: Iterable[Problem]) -> RequestValidationError:
    """Make the error that says what is wrong with which parameter."""
    return RequestValidationError(
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


def _unknown(resource: AnyResource, query: BaseModel, app: FastAPI, operation_id: str) -> Iterator[Problem]:
    if not query.model_extra:
        return
    own = [field.alias or name for name, field in type(query).model_fields.items()]
    further = sorted(_declared(app, operation_id) - set(own))
    for name in query.model_extra:
        if name not in own and name not in further:
            known = resource.grammar.known(name, [*(one for one in own if one in OWN), *further])
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
