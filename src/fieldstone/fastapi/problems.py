"""What a client is told when something goes wrong: application/problem+json (RFC 9457).

A client learns what was refused (`title`, `detail`), where (`errors`, one entry for each field)
and by which stable rule, and can tell kinds of problem apart by `type`. It never learns SQL, a
stored value or a secret: only the texts of DataError leaves are passed on, because those promise
to hold none; every other text is fixed here.

Problems are written as ASCII. The name of an unknown field may be any text that JSON can spell,
a lone surrogate included, and UTF-8 cannot encode that one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from fieldstone import errors

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """One thing wrong with one field of the body, or with one parameter."""

    location: Literal["body", "query", "path", "header", "cookie"] | None = Field(
        default=None, serialization_alias="in", description="Where the field was sent."
    )
    pointer: str | None = Field(default=None, description="JSON pointer into the body (RFC 6901).")
    field: str = Field(description="The name of the field or parameter; dots lead inside.")
    rule: str = Field(description="A stable name of the rule, for programs.")
    message: str = Field(description="The rule, for people.")


class ProblemDetails(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(default="about:blank", description="The kind of problem, for programs.")
    title: str = Field(description="The kind of problem, for people.")
    status: int = Field(description="The HTTP status, repeated.")
    detail: str | None = Field(default=None, description="What went wrong this time.")
    errors: list[FieldProblem] | None = Field(default=None, description="The fields concerned.")


class ProblemResponse(Response):
    """Send a problem in ASCII, so that no name in it can fail to encode."""

    media_type = MEDIA_TYPE

    def __init__(self, problem: ProblemDetails, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem, status_code=problem.status, headers=headers)

    def render(self, content: Any) -> bytes:
        """Leave out what is not said."""
        document = content.model_dump(by_alias=True, exclude_none=True, fallback=str)
        return json.dumps(document, default=str).encode("ascii")


@dataclass(frozen=True)
class Kind:
    """Say how one class of error is answered. Without a fixed detail, its own text is shown."""

    name: str
    status: int
    title: str
    detail: str | None = None
    retry_after: int | None = None

    def problem(self, detail: str, fields: list[FieldProblem]) -> ProblemDetails:
        """Make the problem of one occurrence."""
        return ProblemDetails(
            type=f"urn:problem-type:fieldstone:{self.name}",
            title=self.title,
            status=self.status,
            detail=self.detail or detail,
            errors=fields or None,
        )


INVALID_VALUES = Kind("invalid-values", 422, "Some values were refused")

KINDS: dict[type[Exception], Kind] = {
    errors.InvalidValues: INVALID_VALUES,
    errors.NotFound: Kind("not-found", 404, "Nothing was found"),
    errors.MultipleFound: Kind("multiple-found", 409, "More than one was found"),
    errors.Conflict: Kind("conflict", 409, "The change contradicts what is stored"),
    errors.OutOfScope: Kind("out-of-scope", 403, "The row would lie outside what you may touch"),
    errors.StaleVersion: Kind("stale-version", 409, "The change is based on an old version"),
    errors.TransactionConflict: Kind(
        "transaction-conflict",
        503,
        "Others were changing the same data",
        "Nothing was stored: other requests were changing the same data. Send the request again.",
        retry_after=1,
    ),
    errors.CommitOutcomeUnknown: Kind(
        "commit-outcome-unknown",
        503,
        "Nobody knows whether the change was stored",
        "The connection to the database was lost while the change was being stored, so it may or may "
        "not be. Read the data before you send the request again: a blind repeat may store it twice.",
    ),
    errors.Unavailable: Kind(
        "unavailable",
        503,
        "The database cannot be reached",
        "Nothing was stored: the database cannot be reached or is busy. Send the request again later.",
        retry_after=5,
    ),
}
"""How each error of Fieldstone is answered. What is not here is a mistake of the program: 500."""

STALE_MATCH = Kind("stale-version", 412, "The change is based on an old version")
"""How StaleVersion is answered where the request named the version in If-Match (RFC 9110, section 13.1.1)."""

_RESPONSES = {
    400: "The body is not JSON, or a header is malformed.",
    403: "The row would lie outside what the request may touch.",
    404: "No row has this key.",
    409: "The change contradicts what is stored.",
    412: "The row is no longer what If-Match names.",
    415: "The body is not declared as JSON.",
    422: "Some values were refused.",
    428: "The request does not say which version it is based on.",
    503: "The database cannot be reached, or the outcome is unknown.",
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe an endpoint's problems in OpenAPI, as the `responses` of its route."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {
            "description": _RESPONSES.get(status) or HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def plain_problem(status: int, detail: Any) -> ProblemDetails:
    """Make a problem that its HTTP status explains; the members of a mapping become its own."""
    title = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Problem"
    if isinstance(detail, Mapping):
        members = {str(name): value for name, value in detail.items()}
        return ProblemDetails.model_construct(**{"title": title, **members, "status": status})
    return ProblemDetails(title=title, status=status, detail=None if detail is None else str(detail))
