"""Who is acting: set once where a request or a job begins, known wherever something is written.

A context variable, because the writes are made by services that should not have to pass it on. It
follows the code into the threads of sync endpoints and into the greenlets of async sessions, and
concurrent requests never see each other's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from fieldstone.errors import InvalidValues, Problem
from fieldstone.models.fields import clean_text

Kind = Literal["human", "agent"]

LONGEST_ACTOR = 200


@dataclass(frozen=True)
class Actor:
    """Someone who writes: a person, or an agent that acts for one."""

    id: Annotated[str, Field(min_length=1, max_length=LONGEST_ACTOR), AfterValidator(clean_text)]
    kind: Kind = "human"


_current: ContextVar[Actor | None] = ContextVar("fieldstone_actor", default=None)
_reader: TypeAdapter[Actor] = TypeAdapter(Actor)


@contextmanager
def acting(actor: str | None, *, kind: Kind = "human") -> Iterator[None]:
    """Say who makes the changes within the block; None for nobody known. The innermost counts.

    What the block leaves unflushed is recorded under whoever acts when it is flushed. Raises
    InvalidValues for an actor that is empty, longer than 200 characters, or no text.
    """
    token = _current.set(None if actor is None else _read(actor, kind))
    try:
        yield
    finally:
        _current.reset(token)


def current_actor() -> Actor | None:
    """Give who is acting here, if anyone is known to."""
    return _current.get()


def _read(actor: str, kind: Kind) -> Actor:
    try:
        return _reader.validate_python({"id": actor, "kind": kind})
    except ValidationError as error:
        problems = [Problem(tuple(one["loc"]), one["type"], one["msg"]) for one in error.errors()]
        raise InvalidValues("An actor", problems) from None
