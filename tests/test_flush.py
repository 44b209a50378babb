"""What bypasses assignment is refused before the flush; mixins keep their word (P4, P7, P8, P32)."""

# Values and calls that type checkers refuse are what is tested here.
# mypy: disable-error-code="arg-type, call-arg, comparison-overlap, misc, no-any-return, unused-ignore"
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import StatementError
from sqlalchemy.orm.attributes import set_attribute
from sqlalchemy.orm.exc import StaleDataError
from sqlmodel import select

from fieldstone import InvalidValues
from fieldstone.models.fields import uuid7
from tests.faces import Face
from tests.validated import Local, Meeting, Page, Project, Task


async def test_what_bypasses_assignment_is_refused_before_the_flush_and_nothing_is_written(
    face: Face,
) -> None:
    await face.create_all(Local.metadata)
    async with face.transaction() as session:
        session.add(Project(name="p", tasks=[Task(title="a")]))
    for bypass in ("set_attribute", "new", "merge"):
        with pytest.raises(InvalidValues, match="Task refuses progress_percent"):
            async with face.transaction() as session:
                task = (await face.exec(session, select(Task))).one()
                bad = task if bypass == "set_attribute" else Task(title="b", project_id=task.project_id)
                set_attribute(bad, "progress_percent", 999)
                if bypass == "new":
                    session.add(bad)
                if bypass == "merge":
                    set_attribute(bad, "id", task.id)
                    await face.run(session, lambda s, bad=bad: s.merge(bad))
                await face.flush(session)
    async with face.transaction() as session:
        assert (await face.exec(session, select(Task.progress_percent))).all() == [0]


async def test_rules_over_several_fields_hold_before_the_flush(face: Face) -> None:
    await face.create_all([Meeting])
    async with face.transaction() as session:
        session.add(Meeting(starts=1, ends=2))
    with pytest.raises(InvalidValues, match="starts after it ends"):
        async with face.transaction() as session:
            (await face.exec(session, select(Meeting))).one().starts = 9
    async with face.transaction() as session:
        assert (await face.exec(session, select(Meeting.starts))).one() == 1


async def test_validators_run_once_per_value_and_not_again_at_the_flush(face: Face) -> None:
    await face.create_all([Meeting])
    async with face.transaction() as session:
        session.add(Meeting(starts=1, ends=2, code="a"))
    async with face.transaction() as session:
        meeting = (await face.exec(session, select(Meeting))).one()
        assert meeting.code == "a!"
        meeting.starts = 2
    async with face.transaction() as session:
        assert (await face.exec(session, select(Meeting.code))).one() == "a!"


async def test_loading_runs_no_validation(face: Face) -> None:
    await face.create_all([Meeting])
    async with face.transaction() as session:
        key = uuid7().hex if face.dialect == "sqlite" else str(uuid7())
        insert = text(f"INSERT INTO meeting (id, starts, ends, code) VALUES ('{key}', 5, 1, 'raw')")
        await face.run(session, lambda s: s.connection().execute(insert))
    before = Meeting.checks
    async with face.transaction() as session:
        meeting = (await face.exec(session, select(Meeting))).one()
        assert (meeting.starts, meeting.ends, meeting.code) == (5, 1, "raw")
    assert Meeting.checks == before


async def test_sql_expressions_may_be_assigned(face: Face) -> None:
    await face.create_all(Local.metadata)
    async with face.transaction() as session:
        session.add(Project(name="p", tasks=[Task(title="a", progress_percent=40)]))
    async with face.transaction() as session:
        task = (await face.exec(session, select(Task))).one()
        task.progress_percent = Task.progress_percent + 2  # type: ignore[operator,unused-ignore]  # a clause
    async with face.transaction() as session:
        assert (await face.exec(session, select(Task.progress_percent))).one() == 42


# Mixins


async def test_updated_at_changes_on_every_update_also_in_bulk(face: Face) -> None:
    await face.create_all(Local.metadata)
    async with face.transaction() as session:
        session.add(Project(name="p", tasks=[Task(title="a")]))
    seen: list[datetime] = []
    async with face.transaction() as session:
        task = (await face.exec(session, select(Task))).one()
        assert task.created_at.tzinfo is UTC
        created = task.created_at
        seen.append(task.updated_at)
        task.title = "b"
        await face.flush(session)
        seen.append(task.updated_at)
    async with face.transaction() as session:
        await face.run(session, lambda s: s.exec(update(Task).values(title="c")))
    async with face.transaction() as session:
        task = (await face.exec(session, select(Task))).one()
        seen.append(task.updated_at)
        assert task.created_at == created
    assert seen == sorted(set(seen))


async def test_a_stale_version_is_refused(face: Face) -> None:
    await face.create_all([Page])
    async with face.transaction() as session:
        session.add(Page(id=1, body="a"))
    async with face.transaction() as session:
        page = (await face.exec(session, select(Page))).one()
        page.body = "b"
        await face.flush(session)
        assert page.version == 2
        await face.run(session, lambda s: s.connection().execute(text("UPDATE page SET version = 7")))
        page.body = "c"
        with pytest.raises(Exception) as stale:
            await face.flush(session)
        assert isinstance(stale.value, StaleDataError)
        await face.rollback(session)


def test_uuid7_is_ordered_unique_and_marked_as_version_7() -> None:
    made: list[list[uuid.UUID]] = [[] for _ in range(4)]

    def make(into: list[uuid.UUID]) -> None:
        into.extend(uuid7() for _ in range(2000))

    threads = [threading.Thread(target=make, args=(each,)) for each in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(each == sorted(each) for each in made)
    assert len({one for each in made for one in each}) == 8000
    assert {(one.version, one.variant) for one in made[0]} == {(7, uuid.RFC_4122)}
    assert abs((made[0][0].int >> 80) / 1000 - time.time()) < 60


async def test_a_uuid_compares_with_text_alike_on_both_databases(face: Face) -> None:
    await face.create_all([Meeting])
    meeting = Meeting(starts=1, ends=2)
    async with face.transaction() as session:
        session.add(meeting)
    async with face.transaction() as session:
        statement = select(Meeting.starts).where(Meeting.id == str(meeting.id))
        assert (await face.exec(session, statement)).all() == [1]
        with pytest.raises(StatementError, match="badly formed"):
            await face.exec(session, select(Meeting.starts).where(Meeting.id == "nonsense"))
