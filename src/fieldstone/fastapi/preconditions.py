"""Conditional requests: nothing sent twice, and no change lost (RFC 9110, sections 8.8 and 13).

An entity tag is `"<version>-<digest>"`, and each half answers one question. The digest is of all that
is sent, nested rows included: it decides whether a copy is still good. The version is the row's own: it
decides whether a change is based on what is stored, and nobody's comment below a task gets in the
way of who edits its title. Where a model keeps no version, the digest stands alone.

Generated routes and hand-written ones take the same dependencies from here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Literal, TypeVar, cast
from urllib.parse import quote, unquote

from fastapi import Depends, Header, HTTPException, Request, Response
from pydantic_core import to_json
from starlette.requests import HTTPConnection

from fieldstone.fastapi.bodies import sent
from fieldstone.fastapi.problems import FieldProblem

ShownT = TypeVar("ShownT")

# What RFC 9110 lets stand between the quotes; possessive, so that no header makes it go back.
_TAG = re.compile(r'[ \t,]*+(W/)?"([\x21\x23-\x7e\x80-\xff]*+)"[ \t]*+(?=,|\Z)')


@dataclass(frozen=True)
class Match:
    """What an If-Match or If-None-Match header names: anything that exists (`*`), or some entity tags."""

    anything: bool = False
    strong: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()

    @property
    def versions(self) -> frozenset[str] | None:
        """The versions to compare with, strongly: none of a weak tag; None where any version will do."""
        if self.anything:
            return None
        return frozenset(unquote(tag.rpartition("-")[0]) for tag in self.strong)

    def names(self, tag: str) -> bool:
        """Compare weakly, as a cache does."""
        return self.anything or tag in self.strong or tag in self.weak


def match_of(connection: HTTPConnection, name: str) -> Match | None:
    """Read a header; None where it was not sent. Raises HTTPException for one that is malformed."""
    lines = connection.headers.getlist(name)
    if not lines:
        return None
    found = _parsed(",".join(lines))
    if found is None:
        message = "Entity tags stand in double quotes, separated by commas. Send the ETag as it was received"
        raise HTTPException(
            400,
            {
                "detail": f"{name} is malformed. {message}.",
                "errors": [FieldProblem(location="header", field=name, rule="entity_tag", message=message)],
            },
        )
    return found


def tag_of(shown: object, version: object = None) -> str:
    """Make the entity tag of what is sent, an object or its JSON, without its quotes."""
    if not isinstance(shown, bytes):
        shown = to_json(shown, by_alias=True, bytes_mode="base64", fallback=str)
    digest = blake2b(shown, digest_size=12).hexdigest()
    return digest if version is None else f"{quote(str(version), safe='')}-{digest}"


@dataclass(frozen=True)
class Tagging:
    """Send an object with its ETag, or 304 without it where the client has it already."""

    request: Request
    response: Response

    def __call__(self, shown: ShownT, *, version: object = None) -> ShownT:
        """Return this at once from the endpoint: it may be the 304 instead of the object."""
        return cast(ShownT, self._unchanged(shown, version) or shown)

    def send(self, body: bytes, *, version: object = None, status: int = 200) -> Response:
        """Answer with bytes of JSON, such as `json_get` gives, in the same way."""
        return self._unchanged(body, version) or sent(body, self.response, status=status)

    def _unchanged(self, shown: object, version: object) -> Response | None:
        """Tag what is sent, and give the 304 that goes instead."""
        tag = tag_of(shown, version)
        self.response.headers["ETag"] = f'"{tag}"'
        if self.request.method not in ("GET", "HEAD") or not self._has(tag):
            return None
        unchanged = Response(status_code=304)
        unchanged.headers.raw.extend(self.response.headers.raw)  # FastAPI takes a Response as it is
        return unchanged

    def _has(self, tag: str) -> bool:
        try:
            unless = match_of(self.request, "If-None-Match")
        except HTTPException:
            return False  # it asks for nothing but speed, so an answer in full is always right
        return unless is not None and unless.names(tag)


def _parsed(header: str) -> Match | None:
    if header.strip(" \t") == "*":
        return Match(anything=True)
    strong, weak, end = set[str](), set[str](), 0
    while found := _TAG.match(header, end):
        (weak if found[1] else strong).add(found[2])
        end = found.end()
    if header[end:].strip(" \t,") or not (strong or weak):
        return None
    return Match(strong=frozenset(strong), weak=frozenset(weak))


# What endpoints depend on

_EXAMPLE = '"3-9b2c5d1f0a7e4c6b8d3f2a10"'

_MATCH = Header(
    alias="If-Match",
    description="The ETag that the change is based on. If the row has been changed since, the answer is 412.",
    examples=[_EXAMPLE],
)
_NONE_MATCH = Header(
    alias="If-None-Match",
    description="The ETag of a copy. If the copy is still good, the answer is 304, without a body.",
    examples=[_EXAMPLE],
)


def declared(header: Literal["If-Match", "If-None-Match"]) -> dict[str, Any]:
    """Describe a header in OpenAPI where no parameter of an endpoint does, which would cost each request."""
    description = {"If-Match": _MATCH, "If-None-Match": _NONE_MATCH}[header].description
    schema: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "null"}], "title": header}
    schema |= {"description": description, "examples": [_EXAMPLE]}
    return {"name": header, "in": "header", "required": False, "schema": schema, "description": description}


# The header is declared for OpenAPI, and read from the request, where it may stand on several lines.
async def _optional(request: Request, if_match: Annotated[str | None, _MATCH] = None) -> Match | None:
    return match_of(request, "If-Match")


async def _required(match: Annotated[Match | None, Depends(_optional)]) -> Match:
    if match is None:
        raise HTTPException(
            428,
            {
                "type": "urn:problem-type:fieldstone:version-required",
                "title": "The change does not say what it is based on",
                "detail": "Without If-Match the change may undo what someone else changed meanwhile. Read "
                "the row, and send its ETag in If-Match.",
            },
        )
    return match


async def _versions(match: Annotated[Match | None, Depends(_optional)]) -> frozenset[str] | None:
    return None if match is None else match.versions


async def _required_versions(match: Annotated[Match, Depends(_required)]) -> frozenset[str] | None:
    return match.versions


async def _tagging(
    request: Request, response: Response, if_none_match: Annotated[str | None, _NONE_MATCH] = None
) -> Tagging:
    return Tagging(request, response)


RequiredMatch = Annotated[Match, Depends(_required)]

IfMatch = Annotated[frozenset[str] | None, Depends(_versions)]
"""The versions that If-Match names, for the `version=` of `patch` and `delete`; None without the header."""

RequiredIfMatch = Annotated[frozenset[str] | None, Depends(_required_versions)]
"""As IfMatch, and a request without the header is answered 428. None where the client sends `*`."""

ETag = Annotated[Tagging, Depends(_tagging)]
"""`return etag(note, version=note.version)` sends the ETag, and 304 to who has it."""


def stale_detail(connection: HTTPConnection, error: Exception) -> str:
    """Say what to do about a failed If-Match."""
    detail = f"{error} Send it with the new ETag in If-Match."
    if 'W/"' in connection.headers.get("if-match", ""):
        detail += " A weak tag never matches: leave out the W/, which proxies that compress put there."
    return detail


_HEADER = {
    "ETag": {
        "description": "Names this version of the row: send it back in If-Match or If-None-Match.",
        "schema": {"type": "string", "examples": [_EXAMPLE]},
    }
}


def tagged_responses(status: int, *, unchanged: bool = False) -> dict[int | str, dict[str, Any]]:
    """Describe in OpenAPI an answer with an ETag, and the 304 that may stand for it."""
    described: dict[int | str, dict[str, Any]] = {status: {"headers": _HEADER}}
    if unchanged:
        described[304] = {"description": "The copy of the client is still good.", "headers": _HEADER}
    return described
