"""On `db.autocommit` each verb is a transaction of its own, with the results and errors of one."""

from __future__ import annotations

import inspect

import pytest
from sqlmodel import Session, col, select

from fieldstone import (
    Conflict,
    FieldstoneError,
    NotFound,
    ReadOnlyTransaction,
    create,
    delete,
    get,
    patch,
    verb,
)
from fieldstone.autocommit import Ask, Direct, GiveWay, Steps
from tests.domain import Project, ProjectRead, SubtaskRead, Task, Worker, WorkerRead
from tests.faces import Face


@verb
def renamed(session: Session, key: int, *, name: str = "New") -> str:
    """Rename a project, and give its old name."""
    project = session.get_one(Project, key)
    before, project.name = project.name, name
    return before


@verb(reads=True)
def peeked(session: Session, key: int) -> str:
    """Read a name, and write where that is refused."""
    project = session.get_one(Project, key)
    project.name += "!"
    return project.name


async def test_a_verb_is_a_transaction_of_its_own(stored: Face) -> None:
    assert await stored(renamed, stored.alone, 1, name="Gemini") == "Apollo"
    async with stored.transaction(read_only=True) as session:
        assert (await stored(get, session, Project, 1, ProjectRead)).name == "Gemini"


async def test_a_verb_that_only_reads_is_held_to_it(stored: Face) -> None:
    with pytest.raises(ReadOnlyTransaction):
        await stored(peeked, stored.alone, 1)
    assert await stored(renamed, stored.alone, 1) == "Apollo"


async def test_writes_are_stored_and_refused_as_in_a_transaction(stored: Face) -> None:
    await stored(create, stored.alone, Worker, {"id": "@new", "name": "New"})
    await stored(patch, stored.alone, Worker, "@new", {"name": "Newer"})
    assert (await stored(get, stored.alone, Worker, "@new", WorkerRead)).name == "Newer"
    await stored(delete, stored.alone, Worker, "@new")
    with pytest.raises(NotFound, match="No Worker with key '@new' was found"):
        await stored(get, stored.alone, Worker, "@new", WorkerRead)
    with pytest.raises(Conflict, match="another row already has this value"):
        await stored(create, stored.alone, Worker, {"id": "@ada", "name": "Twin"})


async def test_an_async_call_gives_something_to_await(stored: Face) -> None:
    outcome = get(stored.alone, Task, 1, SubtaskRead)
    assert inspect.iscoroutine(outcome) == stored.is_async
    if inspect.iscoroutine(outcome):
        await outcome


async def test_a_direct_body_that_gives_way_leaves_the_call_to_the_ordinary_one(stored: Face) -> None:
    called: list[str] = []

    @verb
    def named(session: Session, key: int) -> str:
        called.append("ordinary")
        return session.exec(select(Project.name).where(col(Project.id) == key)).one()

    @named.direct
    def _named(direct: Direct, key: int) -> Steps[str]:
        called.append("direct")
        yield Ask("SELECT 1")
        raise GiveWay

    assert await stored(named, stored.alone, 1) == "Apollo"
    assert called[-1] == "ordinary"
    async with stored.transaction() as session:
        called.clear()
        assert await stored(named, session, 1) == "Apollo"
        assert called == ["ordinary"]


def test_a_direct_body_of_other_parameters_is_refused() -> None:
    @verb
    def named(session: Session, key: int) -> str:
        return ""

    with pytest.raises(TypeError, match="other cannot be the direct body of named"):

        @named.direct
        def other(direct: Direct, key: int, more: int = 0) -> Steps[str]:
            yield Ask("SELECT 1")
            return ""


def test_what_gives_way_is_no_error_of_the_database() -> None:
    assert not issubclass(GiveWay, FieldstoneError)
