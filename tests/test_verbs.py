"""A verb is one body with two faces, and says so when it is called wrongly."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from sqlmodel import Session

from fieldstone import verb
from tests.faces import Face


@verb
def doubled(session: Session, number: int, *, times: int = 2) -> int:
    """Multiply."""
    return number * times


async def test_the_same_body_serves_both_faces(face: Face) -> None:
    async with face.transaction() as session:
        assert await face(doubled, session, 4, times=3) == 12


async def test_an_async_session_gives_something_to_await(face: Face) -> None:
    async with face.transaction() as session:
        result: Any = doubled(session, 1)
        assert inspect.iscoroutine(result) == face.is_async
        if inspect.iscoroutine(result):
            result = await result
        assert result == 2


def test_a_verb_keeps_its_name_and_docstring() -> None:
    assert (doubled.__name__, doubled.__doc__) == ("doubled", "Multiply.")


def test_what_is_not_a_session_is_refused_by_name() -> None:
    with pytest.raises(
        TypeError, match=r"doubled needs a Session or an AsyncSession first, not str. Take one from"
    ):
        doubled("session", 1)  # type: ignore[call-overload]  # the mistake under test


def test_a_generator_cannot_be_a_verb() -> None:
    def rows(session: Session) -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="rows must be a plain function to be a verb"):
        verb(rows)


def test_a_coroutine_function_cannot_be_a_verb() -> None:
    async def rows(session: Session) -> int:
        return 1

    with pytest.raises(TypeError, match="rows must be a plain function"):
        verb(rows)
