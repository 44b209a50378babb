"""A prepared statement serves every statement of its shape, and nobody who listens is passed over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from pydantic_core import to_json
from sqlalchemy import Engine, bindparam, event, select, union
from sqlalchemy.orm import aliased, with_loader_criteria
from sqlmodel import col

from fieldstone import Cursors, InvalidValues, Model, fetch, first, get, json, json_page, page, plan, seek
from fieldstone.reading import preparation, rendering
from fieldstone.reading.fetching import every
from fieldstone.reading.ways import Found, ask
from fieldstone.testing import count_statements
from tests import domain, specimens
from tests.domain import (
    Assignment,
    Letter,
    LetterRead,
    Project,
    ProjectFull,
    Task,
    TaskFull,
    TaskRead,
    TaskTree,
)
from tests.faces import Face
from tests.filtered import Sample
from tests.specimens import listen

CURSORS = Cursors("a secret of tests, of no other use at all")


class Recent(Model):
    id: int
    title: str


def titles(found: list[Any]) -> list[str]:
    return [one.title for one in found]


def way_of(session: Any, statement: Any, schema: Any) -> str:
    found: Found = ask(session, every(statement, schema))
    return type(found).__name__


def alike(session: Any, statement: Any, model: Any, schema: Any) -> int:
    """Read a statement the short way and the whole way, which must give the same; count the rows."""
    assert way_of(session, statement, schema) == "_Prepared"
    short, written = fetch(session, statement, schema), json(session, statement, schema)
    stop = listen(session)
    assert way_of(session, statement, schema) == "_Whole"
    whole = fetch(session, statement, schema)
    assert (short, written) == (whole, json(session, statement, schema))
    stop()
    return len(short)


async def test_statements_of_one_shape_read_their_own_rows(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        for number in range(6):
            statement = select(Task).where(col(Task.id) > number).order_by(col(Task.id)).limit(number)
            found = await stored(fetch, session, statement, Recent)
            assert [one.id for one in found] == list(range(number + 1, min(5, 2 * number) + 1))


async def test_all_pages_behind_the_first_are_prepared_once(
    stored: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    original = preparation.Prepared.__init__

    def counted(self: Any, statement: Any, *others: Any) -> None:
        original(self, statement, *others)
        made.append(self.compiled.string)

    monkeypatch.setattr(preparation.Prepared, "__init__", counted)
    async with stored.transaction(read_only=True) as session:
        for lowest in range(3):
            listed = select(Task).where(col(Task.id) > lowest).order_by(col(Task.title))
            seen, cursor = list[int](), None
            while not seen or cursor:
                found = await stored(seek, session, listed, Recent, size=1, cursor=cursor, cursors=CURSORS)
                seen, cursor = [*seen, *[one.id for one in found.items]], found.next
            assert sorted(seen) == list(range(lowest + 1, 6))
    assert len(made) == 2, made


async def test_a_list_of_any_length_is_compared_with(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        for wanted in ([], [3], [1, 2], [4, 1], [1, 2, 3, 4711], []):
            among = (
                select(Task).where(col(Task.id).in_(wanted), col(Task.title) != "?").order_by(col(Task.id))
            )
            found = await stored(fetch, session, among, Recent)
            assert [one.id for one in found] == sorted(set(wanted) & {1, 2, 3, 4})


other = aliased(Task)
SHAPES: dict[str, tuple[Any, Any, Any, int]] = {
    "an alias": (select(other).where(col(other.title) != "x").order_by(col(other.id)), Task, TaskFull, 5),
    "a join": (
        select(Task)
        .join(cast(Any, Task.project))
        .where(col(Project.name) == "Apollo")
        .order_by(col(Task.id)),
        Task,
        TaskFull,
        2,
    ),
    "a subquery": (
        select(Task)
        .where(col(Task.id).in_(select(col(Assignment.task_id)).where(col(Assignment.worker_id) == "@ada")))
        .order_by(col(Task.id)),
        Task,
        TaskRead,
        1,
    ),
    "a percent sign": (
        select(Task).where(col(Task.title).like("%e%")).order_by(col(Task.id)),
        Task,
        TaskRead,
        3,
    ),
    "collections in collections": (select(Project).order_by(col(Project.id)), Project, ProjectFull, 2),
    "a schema in itself": (select(Task).order_by(col(Task.id)), Task, TaskTree, 5),
    "an empty result": (select(Task).where(col(Task.title) == "none"), Task, TaskFull, 0),
}


@pytest.mark.parametrize("name", SHAPES)
async def test_every_shape_of_statement_reads_alike(stored: Face, name: str) -> None:
    statement, model, schema, number = SHAPES[name]
    async with stored.transaction(read_only=True) as session:
        assert await stored.run(session, alike, statement, model, schema) == number
        assert await stored.run(session, alike, statement, model, schema) == number


async def test_the_kinds_of_an_inheritance_stay_apart(stored: Face) -> None:
    async with stored.transaction() as session:
        session.add_all([Letter(title="a", recipient="b"), domain.Document(title="c")])
    async with stored.transaction(read_only=True) as session:
        assert await stored.run(session, alike, select(Letter), Letter, LetterRead) == 1


async def test_parameters_of_the_callers_own_go_the_whole_way(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        open_ended = select(Task).where(col(Task.id) > bindparam("least"))
        assert await stored.run(session, way_of, open_ended.params(least=3), Recent) == "_Whole"
        found = await stored(fetch, session, open_ended.params(least=3).order_by(col(Task.id)), Recent)
        assert [one.id for one in found] == [4, 5]
        found = await stored(fetch, session, open_ended.params(least=4).order_by(col(Task.id)), Recent)
        assert [one.id for one in found] == [5]


def limited(least: int) -> Any:
    return select(Task).options(with_loader_criteria(Task, lambda model: model.id > least))


async def test_criteria_that_options_add_keep_their_own_values(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        for least in (3, 1, 4):
            found = await stored(fetch, session, limited(least), Recent)
            assert {one.id for one in found} == set(range(least + 1, 6))


async def test_what_asks_for_more_than_rows_goes_the_whole_way(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        told = select(Task).execution_options(a_listener="knows")
        assert await stored.run(session, way_of, told, Recent) == "_Whole"
        both = select(aliased(Task, union(select(Task), select(Task)).subquery()))
        assert len(await stored(fetch, session, both, Recent)) == 5


async def test_a_listener_that_changes_statements_is_heard(stored: Face) -> None:
    def only_the_root(state: Any) -> None:
        state.statement = state.statement.options(with_loader_criteria(Task, col(Task.id) == 1))

    statement = select(Task).order_by(col(Task.id))
    async with stored.transaction(read_only=True) as session:
        inner = getattr(session, "sync_session", session)
        assert len(await stored(fetch, session, statement, Recent)) == 5
        event.listen(inner, "do_orm_execute", only_the_root)
        assert titles(await stored(fetch, session, statement, Recent)) == ["Root"]
        assert await stored(json, session, statement, Recent) == b'[{"id":1,"title":"Root"}]'
        event.remove(inner, "do_orm_execute", only_the_root)


async def test_who_listens_to_executions_sees_each(stored: Face) -> None:
    seen: list[Any] = []

    def executed(*arguments: Any) -> None:
        seen.append(arguments)

    async with stored.transaction(read_only=True) as session:
        await stored(fetch, session, select(Task), TaskRead)
        event.listen(Engine, "before_execute", executed)
        try:
            await stored(fetch, session, select(Task), TaskRead)
        finally:
            event.remove(Engine, "before_execute", executed)
    assert len(seen) == 2


async def test_statements_are_as_many_as_the_plan_says(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        for read in (fetch, json, page, json_page):
            with count_statements(stored.database) as statements:
                await stored(read, session, select(Task), TaskFull)
            assert len(statements) == plan(Task, TaskFull).budget == 4


async def test_a_read_sees_what_is_pending_unless_flushing_is_off(stored: Face) -> None:
    def within(session: Any) -> list[int]:
        session.add(Task(id=6, title="Pending"))
        statement: Any = select(Task)
        with session.no_autoflush:
            before = len(fetch(session, statement, Recent))
        return [before, len(fetch(session, statement, Recent))]

    async with stored.transaction() as session:
        assert await stored.run(session, within) == [5, 6]


WRONG: dict[str, Callable[[], Any]] = {
    "too large": lambda: select(Task).where(col(Task.id) == 2**80),
    "too large for the column": lambda: select(Task).where(col(Task.id) == 2**40),
    "no text": lambda: select(Task).where(col(Task.title) == "nul\x00"),
    "a surrogate": lambda: select(Task).where(col(Task.title) == "\ud800"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_an_error_is_explained_alike_both_ways(stored: Face, name: str) -> None:
    async def outcome(whole: bool) -> Any:
        try:
            async with stored.transaction(read_only=True) as session:
                if whole:
                    listen(getattr(session, "sync_session", session))
                return await stored(fetch, session, WRONG[name](), Recent)
        except InvalidValues as error:
            return str(error), error.problems

    assert await outcome(whole=False) == await outcome(whole=True)


async def test_more_parents_than_a_driver_takes_parameters_are_asked_for_in_parts(
    stored: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = select(Task).order_by(col(Task.id))
    async with stored.transaction(read_only=True) as session:
        expected = await stored(fetch, session, statement, TaskFull)
        monkeypatch.setattr("fieldstone.keys.PARAMETERS", 2)
        with count_statements(stored.database) as statements:
            assert await stored(fetch, session, statement, TaskFull) == expected
    assert len(statements) == 1 + 3 * 3


async def test_one_of_nothing_is_none(stored: Face) -> None:
    async with stored.transaction(read_only=True) as session:
        assert await stored(first, session, select(Task).where(col(Task.id) < 0), TaskFull) is None
        assert (await stored(get, session, Task, "3", Recent)).title == "Right"


async def test_both_writers_of_json_write_the_same(face: Face) -> None:
    await face.create_all(specimens.METADATA)
    async with face.transaction() as session:
        session.add_all(specimens.rows())
    async with face.transaction(read_only=True) as session:
        items = await face.run(session, written)
    assert len(items) == 3
    assert rendering.dumps(items) == to_json(items)


def written(session: Any) -> Any:
    return ask(session, every(select(specimens.Specimen), specimens.SpecimenFull)).written()


class Took(Model):
    id: int
    took: timedelta | None


async def test_a_value_that_cannot_be_sent_is_refused_by_name(face: Face) -> None:
    """SQLite keeps a span as a moment behind an epoch, so the longest one has none; PostgreSQL holds it."""
    await face.create_all([Sample])
    longest = select(Sample).where(col(Sample.took) == timedelta.min)
    autocommit: Any = face.alone
    for read in (fetch, json):
        if face.dialect == "postgresql":
            assert await face(read, autocommit, longest, Took) in ([], b"[]")
            continue
        with pytest.raises(InvalidValues, match="outside the range"):
            await face(read, autocommit, longest, Took)
        with pytest.raises(InvalidValues, match="outside the range"):
            async with face.transaction() as session:
                await face(read, session, longest, Took)
