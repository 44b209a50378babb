"""What the routes of a resource do: each operation once, as a verb, with what its route needs to know."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import Query, Request, Response
from pydantic_core import to_jsonable_python
from sqlmodel import Session

from fieldstone.fastapi.addresses import LOCATION, path_of
from fieldstone.fastapi.listing import listing_of, refuse_unknown
from fieldstone.fastapi.pages import LINK, pages_of, read_page
from fieldstone.fastapi.preconditions import ETag, Match, OptionalMatch, RequiredMatch, tagged_responses
from fieldstone.fastapi.problems import problem_responses
from fieldstone.fastapi.validators import expected_versions, send_row
from fieldstone.fastapi.views import AnyResource, exactly_one_of, schema_of, view_query
from fieldstone.keys import key_names
from fieldstone.verbs import Verb, verb
from fieldstone.writing import create, delete, patch

OperationName = Literal["list", "get", "create", "patch", "delete", "export"]
# The tuple is there for mypy, which reads ("patch",) as tuple[str] where only a Collection is wanted.
Operations = Collection[OperationName] | tuple[OperationName, ...]


@dataclass(frozen=True)
class Call:
    """What an operation was called with: the row's key, and the body or the query."""

    key: tuple[Any, ...]
    sent: Any
    request: Request
    response: Response
    match: Match | None = None


@verb
def _list(session: Session, resource: AnyResource, call: Call) -> Any:
    query = call.sent
    refuse_unknown(resource, query, call.request, OPERATIONS["list"].id_for(resource))
    return read_page(session, resource, query, call.request, call.response)


@verb
def _get(session: Session, resource: AnyResource, call: Call) -> Any:
    if call.sent is not None:
        refuse_unknown(resource, call.sent, call.request, OPERATIONS["get"].id_for(resource))
    schema = schema_of(resource, call.sent)
    return send_row(session, resource.model, call.key, schema, call.request, call.response)


@verb
def _create(session: Session, resource: AnyResource, call: Call) -> Any:
    key = _key_of(resource, create(session, resource.model, call.sent))
    call.response.headers["Location"] = _location(call.request, key)
    return send_row(session, resource.model, key, resource.read, call.request, call.response, status=201)


@verb
def _patch(session: Session, resource: AnyResource, call: Call) -> Any:
    versions = _versions(session, resource, call)
    key = _key_of(resource, patch(session, resource.model, call.key, call.sent, version=versions))
    return send_row(session, resource.model, key, resource.read, call.request, call.response)


@verb
def _delete(session: Session, resource: AnyResource, call: Call) -> None:
    delete(session, resource.model, call.key, version=_versions(session, resource, call))


def _versions(session: Session, resource: AnyResource, call: Call) -> frozenset[str] | None:
    schemas = resource.all_views.values()
    return expected_versions(session, resource.model, call.key, schemas, call.request, call.match)


def _key_of(resource: AnyResource, row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in key_names(resource.model))


def _location(request: Request, key: tuple[Any, ...]) -> str:
    """Point to the new row, relative to the host."""
    return "/".join((path_of(request), *(quote(str(to_jsonable_python(part)), safe="") for part in key)))


@dataclass(frozen=True)
class Operation:
    """One of the operations: its verb, and what the route of it declares."""

    name: OperationName
    method: str
    body: Verb[[AnyResource, Call], Any]
    problems: tuple[int, ...]
    status: int = 200
    of_many: bool = False
    on_row: bool = True

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    def id_for(self, resource: AnyResource) -> str:
        """Name the operation in OpenAPI."""
        return f"{self.name}_{resource.name if self.of_many else resource.subject}"

    def sent(self, resource: AnyResource) -> Any:
        """Give the type of the body or query, or None where there is none."""
        if self.name == "list":
            return Annotated[listing_of(resource), Query()]
        if self.name == "get":
            query = view_query(resource)
            return query and Annotated[query, Query()]
        return {"create": resource.create, "patch": resource.update}.get(self.name)

    def conditions(self, resource: AnyResource) -> dict[str, Any]:
        """Give the parameters that take the preconditions of a request."""
        if self.name == "get":
            return {"_etag": ETag}
        match = RequiredMatch if resource.require_match else OptionalMatch
        return {"_match": match} if self.on_row else {}

    def responses(self, resource: AnyResource) -> dict[int | str, dict[str, Any]]:
        """Describe in OpenAPI what is answered beside the result, and with it."""
        required = [428] if resource.require_match and self.name in ("patch", "delete") else []
        scoped = [403] if resource.scope is not None and self.name in ("create", "patch") else []
        problems = problem_responses(*sorted([*self.problems, *required, *scoped]))
        if self.name == "list":
            return {self.status: {"headers": LINK}} | problems
        if self.name == "delete":
            return problems
        answered = tagged_responses(self.status, unchanged=self.name == "get") | problems
        if self.name == "create":
            answered[self.status] = {"headers": LOCATION | answered[self.status]["headers"]}
        return answered

    def returns(self, resource: AnyResource) -> Any:
        if self.name == "list":
            return exactly_one_of(pages_of(resource))
        if self.name == "get":
            return exactly_one_of(resource.all_views.values())
        return None if self.name == "delete" else resource.read


OPERATIONS: dict[OperationName, Operation] = {
    operation.name: operation
    for operation in (
        Operation("list", "GET", _list, (422, 503), of_many=True, on_row=False),
        Operation("create", "POST", _create, (400, 409, 415, 422, 503), status=201, on_row=False),
        Operation("get", "GET", _get, (404, 422, 503)),
        Operation("patch", "PATCH", _patch, (400, 404, 409, 412, 415, 422, 503)),
        Operation("delete", "DELETE", _delete, (400, 404, 409, 412, 422, 503), status=204),
    )
}
