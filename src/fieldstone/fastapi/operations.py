"""What the routes of a resource do: each operation once, in steps, with what its route needs to know."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import Query, Request, Response
from pydantic_core import to_jsonable_python

from fieldstone.fastapi.addresses import LOCATION, path_of
from fieldstone.fastapi.bodies import takes_bytes
from fieldstone.fastapi.listing import listing_of, refuse_unknown
from fieldstone.fastapi.pages import LINK, pages_of, read_page
from fieldstone.fastapi.preconditions import Match, RequiredMatch, declared, match_of, tagged_responses
from fieldstone.fastapi.problems import problem_responses
from fieldstone.fastapi.steps import Steps
from fieldstone.fastapi.validators import compares_rows, expected_versions, read_row, send_row
from fieldstone.fastapi.views import AnyResource, exactly_one_of, schema_of, view_query
from fieldstone.writing import create_whole, delete, patch_whole

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


def _list(resource: AnyResource, call: Call) -> Steps[Any]:
    query = call.sent
    refuse_unknown(resource, query, call.request, OPERATIONS["list"].id_for(resource))
    return (yield from read_page(resource, query, call.request, call.response))


def _get(resource: AnyResource, call: Call) -> Steps[Any]:
    if call.sent is not None:
        refuse_unknown(resource, call.sent, call.request, OPERATIONS["get"].id_for(resource))
    schema = schema_of(resource, call.sent)
    shown, version = yield read_row(resource.model, call.key, schema, call.request)
    return send_row(shown, version, call.request, call.response)


def _create(resource: AnyResource, call: Call) -> Steps[Any]:
    schema, as_json = resource.read, takes_bytes(call.request)
    made = yield lambda session: create_whole(session, resource.model, call.sent, schema, as_json=as_json)
    call.response.headers["Location"] = _location(call.request, made.key)
    return send_row(made.shown, made.version, call.request, call.response, status=201)


def _patch(resource: AnyResource, call: Call) -> Steps[Any]:
    schema, as_json = resource.read, takes_bytes(call.request)
    version = yield from _versions(resource, call)
    changed = yield lambda session: patch_whole(
        session, resource.model, call.key, call.sent, schema, as_json=as_json, version=version
    )
    return send_row(changed.shown, changed.version, call.request, call.response)


def _delete(resource: AnyResource, call: Call) -> Steps[None]:
    version = yield from _versions(resource, call)
    yield lambda session: delete(session, resource.model, call.key, version=version)


def _versions(resource: AnyResource, call: Call) -> Steps[frozenset[str] | None]:
    schemas = resource.all_views.values()
    return (yield from expected_versions(resource.model, call.key, schemas, call.request, call.match))


def _location(request: Request, key: tuple[Any, ...]) -> str:
    """Point to the new row, relative to the host."""
    return "/".join((path_of(request), *(quote(str(to_jsonable_python(part)), safe="") for part in key)))


@dataclass(frozen=True)
class Operation:
    """One of the operations: its steps, and what the route of it declares."""

    name: OperationName
    method: str
    body: Callable[[AnyResource, Call], Steps[Any]]
    problems: tuple[int, ...]
    status: int = 200
    of_many: bool = False
    on_row: bool = True

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    def is_one_verb(self, resource: AnyResource, call: Call) -> bool:
        """Tell whether a call takes one step, and so no transaction around it."""
        return not self._changes_row or not compares_rows(resource.model, call.request, call.match)

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
        """Give the parameter that takes a precondition, where a request must have one."""
        return {"_match": RequiredMatch} if self._changes_row and resource.require_match else {}

    def headers(self, resource: AnyResource) -> list[dict[str, Any]]:
        """Describe the headers of preconditions that a request may have."""
        if self.name == "get":
            return [declared("If-None-Match")]
        return [declared("If-Match")] if self._changes_row and not resource.require_match else []

    def match(self, request: Request) -> Match | None:
        """Read the precondition that a request may have. Raises HTTPException for a malformed one."""
        return match_of(request, "If-Match") if self._changes_row else None

    @property
    def _changes_row(self) -> bool:
        return self.on_row and self.writes

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
