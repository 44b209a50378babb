"""Tables that validate: when made, when changed and before a flush, never on loading (P2-P4, P7, P8)."""

# Values and calls that type checkers refuse are what is tested here.
# mypy: disable-error-code="arg-type, call-arg, comparison-overlap, misc, no-any-return, unused-ignore"
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import pickle
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal, Self

import pytest
from pydantic import ValidationError, field_validator, model_validator
from sqlalchemy import BigInteger, CheckConstraint, DateTime, MetaData, text, update
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import registry
from sqlalchemy.orm.attributes import set_attribute
from sqlalchemy.orm.exc import StaleDataError
from sqlmodel import SQLModel, select

from fieldstone import InvalidValues, NotLoaded
from fieldstone.constraints import NAMING_CONVENTION
from fieldstone.errors import ModelError
from fieldstone.fields import uuid7
from fieldstone.models import Field, Model, Relationship, Timestamps, UUIDKey, Versioned
from fieldstone.validation import field_validator_of
from tests.faces import Face


class Local(Model, registry=registry()):
    """Keep this module's tables apart from those of other modules."""


class Kind(Enum):
    HUMAN = "human"
    AGENT = "ai agent"


class Level(Enum):
    LOW = 1
    HIGH = 2


class ProjectBase(Local):
    name: str = Field(min_length=1, max_length=20, index=True, unique=True)


class Project(ProjectBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tasks: list[Task] = Relationship(back_populates="project")


class TaskBase(Local):
    title: str = Field(min_length=1, max_length=20)
    status: Literal["pending", "in_progress", "it's done"] = "pending"
    kind: Kind = Kind.HUMAN
    level: Level | None = None
    stars: Literal[1, 2, 3] | None = None
    size: Literal["S", 40, "L"] | None = None
    progress_percent: int = Field(default=0, ge=0, le=100)
    effort: float = Field(default=1, gt=0)
    due: datetime | None = None
    checksum: int = Field(default=0, sa_type=BigInteger)


class Task(TaskBase, Timestamps, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int = Field(foreign_key="project.id", ondelete="CASCADE")
    project: Project | None = Relationship(back_populates="tasks")


class Meeting(UUIDKey, Local, table=True):
    starts: int
    ends: int
    code: str = "x"
    checks: ClassVar[int] = 0

    @field_validator("code")
    @classmethod
    def lengthen(cls, code: str) -> str:
        return code + "!"

    @model_validator(mode="after")
    def in_order(self) -> Self:
        type(self).checks += 1
        if self.starts > self.ends:
            raise ValueError("starts after it ends")
        return self


class Page(Versioned, Local, table=True):
    id: int | None = Field(default=None, primary_key=True)
    body: str = ""


def refusal(**values: Any) -> str:
    with pytest.raises(InvalidValues) as refused:
        Task(**{"title": "a", "project_id": 1, **values})
    return str(refused.value)


# Construction


@pytest.mark.parametrize(
    ("values", "text_"),
    [
        ({"title": ""}, "Task refuses title: String should have at least 1 character (got str)"),
        ({"title": "x" * 21}, "Task refuses title: String should have at most 20 characters (got str)"),
        (
            {"progress_percent": 101},
            "Task refuses progress_percent: Input should be less than or equal to 100 (got int)",
        ),
        ({"effort": 0}, "Task refuses effort: Input should be greater than 0 (got int)"),
        (
            {"status": "done"},
            "Task refuses status: Input should be 'pending', 'in_progress' or \"it's done\" (got str)",
        ),
        ({"effort": float("inf")}, "Task refuses effort: Input should be a finite number (got float)"),
        (
            {"project_id": 2**31},
            "Task refuses project_id: Input should be less than or equal to 2147483647 (got int)",
        ),
        (
            {"checksum": 2**63},
            "Task refuses checksum: Input should be less than or equal to 9223372036854775807 (got int)",
        ),
        ({"title": "a\x00"}, "Task refuses title: Input should not contain the NUL character (got str)"),
    ],
)
def test_constructing_a_table_with_a_bad_value_names_model_field_rule_and_type(
    values: dict[str, Any], text_: str
) -> None:
    assert refusal(**values) == text_


def test_a_refusal_never_shows_the_value() -> None:
    with pytest.raises(InvalidValues) as refused:
        Task(
            title="hunter2" * 9,
            project_id=1,
            status="hunter2",
            kind="hunter2",
            progress_percent="hunter2",
            due="hunter2",
        )
    assert len(refused.value.problems) == 5
    assert "hunter2" not in f"{refused.value} {refused.value.__cause__}"


def test_an_unknown_key_is_refused_and_the_known_ones_are_listed() -> None:
    assert refusal(titel="x").startswith("Task refuses titel: is not a field of Task. Its fields are: ")
    assert "title" in refusal(titel="x")


def test_a_missing_value_is_refused() -> None:
    with pytest.raises(InvalidValues, match="Task refuses title: Field required"):
        Task(project_id=1)


def test_lone_surrogates_are_refused() -> None:
    assert "title" in refusal(title="\ud800")


def test_a_problem_says_path_and_rule() -> None:
    with pytest.raises(InvalidValues) as refused:
        Task(title="a", project_id=1, progress_percent=-1)
    (problem,) = refused.value.problems
    assert (problem.path, problem.rule, problem.pointer) == (
        ("progress_percent",),
        "greater_than_equal",
        "/progress_percent",
    )


def test_values_are_coerced_as_pydantic_does() -> None:
    task = Task(title="a", project_id="7", kind="ai agent", due="2026-01-01T01:00:00+02:00")
    assert (task.project_id, task.kind) == (7, Kind.AGENT)
    assert task.due == datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert task.due.tzinfo is UTC


def test_a_required_foreign_key_may_come_from_its_relationship() -> None:
    task = Task(title="a", project=Project(name="p"))
    assert task.project is not None
    with pytest.raises(InvalidValues, match="project_id: Input should be a valid integer"):
        Task(title="a", project_id=None)


def test_relationship_keywords_build_a_tree() -> None:
    project = Project(name="p", tasks=[Task(title="a"), Task(title="b")])
    assert [task.project is project for task in project.tasks] == [True, True]


def test_rules_over_several_fields_hold_at_construction() -> None:
    with pytest.raises(InvalidValues, match="Meeting refuses Value error, starts after it ends"):
        Meeting(starts=2, ends=1)


def test_model_validate_reads_mappings_and_objects() -> None:
    class TaskCreate(TaskBase):
        project_id: int
        secret: str = "not for the table"

    from_schema = Task.model_validate(TaskCreate(title="a", project_id=1), update={"stars": 2})
    from_mapping = Task.model_validate({"title": "a", "project_id": 1}, update={"stars": 2})
    for task in (from_schema, from_mapping):
        assert (task.title, task.project_id, task.stars) == ("a", 1, 2)
    with pytest.raises(InvalidValues, match="stars"):
        Task.model_validate({"title": "a", "project_id": 1}, update={"stars": 4})
    with pytest.raises(InvalidValues, match="secret: is not a field of Task"):
        Task.model_validate({"title": "a", "project_id": 1, "secret": "x"})


def test_a_schema_keeps_raising_pydantics_error_without_the_input() -> None:
    with pytest.raises(ValidationError) as refused:
        TaskBase(title="hunter2" * 9)
    assert "hunter2" not in str(refused.value)


def test_schemas_hold_integers_to_their_column() -> None:
    assert TaskBase(title="a", checksum=2**62).checksum == 2**62
    with pytest.raises(ValidationError):
        TaskBase(title="a", progress_percent=2**31)


# Assignment


def test_a_refused_assignment_keeps_the_old_value_everywhere() -> None:
    task = Task(title="a", project_id=1, progress_percent=5)
    with pytest.raises(InvalidValues, match="Task refuses progress_percent"):
        task.progress_percent = 200
    assert task.progress_percent == 5
    assert task.model_dump()["progress_percent"] == 5
    assert not sa_inspect(task).attrs.progress_percent.history.deleted


def test_assignment_coerces_and_notes_the_change() -> None:
    task = Task(title="a", project_id=1)
    task.kind = "ai agent"  # type: ignore[assignment]  # what a form would send
    task.due = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5)))
    assert task.kind is Kind.AGENT
    assert task.due == datetime(2025, 12, 31, 19, tzinfo=UTC)
    assert {"kind", "due"} <= task.model_fields_set


def test_two_dependent_fields_can_be_changed_one_after_the_other() -> None:
    meeting = Meeting(starts=1, ends=2)
    meeting.starts = 5
    meeting.ends = 6
    assert (meeting.starts, meeting.ends) == (5, 6)


def test_several_values_are_changed_all_or_none() -> None:
    task = Task(title="a", project_id=1)
    with pytest.raises(InvalidValues, match=r"progress_percent: .*; stars: "):
        task.sqlmodel_update({"title": "b", "progress_percent": 101, "stars": 9})
    assert task.title == "a"
    assert task.sqlmodel_update({"title": "b"}, update={"stars": 3}) is task
    assert (task.title, task.stars) == ("b", 3)


# The database's own rules


def test_every_constraint_and_index_has_its_name() -> None:
    table = Local.metadata.tables["task"]
    assert {str(each.name) for each in table.constraints if isinstance(each, CheckConstraint)} == {
        "ck_task_title_min_length",
        "ck_task_title_max_length",
        "ck_task_status_allowed",
        "ck_task_kind_allowed",
        "ck_task_level_allowed",
        "ck_task_stars_allowed",
        "ck_task_size_allowed",
        "ck_task_progress_percent_range",
        "ck_task_effort_range",
    }
    assert table.primary_key.name == "pk_task"
    assert {str(each.name) for each in table.foreign_key_constraints} == {"fk_task_project_id_project"}
    assert {str(each.name) for each in Local.metadata.tables["project"].indexes} == {"ix_project_name"}


def test_an_owners_naming_convention_is_kept() -> None:
    own = MetaData(naming_convention={"pk": "%(table_name)s_key"})

    class Owned(Model, registry=registry(metadata=own)):
        pass

    class Thing(Owned, table=True):
        id: int | None = Field(default=None, primary_key=True)

    assert own.tables["thing"].primary_key.name == "thing_key"
    assert Local.metadata.naming_convention == SQLModel.metadata.naming_convention == NAMING_CONVENTION


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("title", "''"),
        ("title", "'" + "x" * 21 + "'"),
        ("status", "'done'"),
        ("kind", "'HUMAN'"),
        ("level", "3"),
        ("stars", "0"),
        ("size", "'M'"),
        ("progress_percent", "101"),
        ("progress_percent", "-1"),
        ("effort", "0"),
    ],
)
async def test_the_database_refuses_what_the_model_refuses(face: Face, column: str, value: str) -> None:
    await face.create_all(Local.metadata)
    async with face.transaction() as session:
        session.add(Project(id=1, name="p", tasks=[Task(title="a")]))
    with pytest.raises(Exception, match=f"{column}|longer than the column allows"):
        async with face.transaction() as session:
            await face.run(
                session, lambda s: s.connection().execute(text(f"UPDATE task SET {column} = {value}"))
            )


async def test_every_kind_of_value_comes_back_as_it_went_in(face: Face) -> None:
    await face.create_all(Local.metadata)
    due = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
    async with face.transaction() as session:
        tasks = [
            Task(title="a", size=40, level=Level.HIGH, kind=Kind.AGENT, status="it's done", due=due, stars=3)
        ]
        session.add(Project(name="p", tasks=tasks))
    async with face.transaction() as session:
        found = (await face.exec(session, select(Task))).one()
        assert (found.size, found.level, found.kind, found.status) == (
            40,
            Level.HIGH,
            Kind.AGENT,
            "it's done",
        )
        assert (found.due, found.stars) == (due, 3)
        for clause in (
            Task.kind == Kind.AGENT,
            Task.level == Level.HIGH,
            Task.size == 40,
            Task.kind == "ai agent",
        ):
            assert (await face.exec(session, select(Task.title).where(clause))).all() == ["a"]


async def test_null_passes_every_check_of_a_nullable_column(face: Face) -> None:
    await face.create_all(Local.metadata)
    async with face.transaction() as session:
        session.add(Project(name="p", tasks=[Task(title="a", level=None, stars=None, size=None)]))
    async with face.transaction() as session:
        assert (await face.exec(session, select(Task.stars))).one() is None


async def test_an_unknown_stored_member_loads_as_it_is(face: Face) -> None:
    await face.create_all(Local.metadata)

    def loosen(session: Any) -> None:
        session.connection().execute(text("CREATE TABLE old (id INTEGER, kind VARCHAR, level INTEGER)"))
        session.connection().execute(text("INSERT INTO old VALUES (1, 'robot', 9), (2, 'human', 1)"))

    async with face.transaction() as session:
        await face.run(session, loosen)
        columns = [text("id").columns(), Task.__table__.c.kind, Task.__table__.c.level]  # type: ignore[attr-defined]
        statement = text("SELECT kind, level FROM old ORDER BY id").columns(
            kind=columns[1].type, level=columns[2].type
        )
        rows = (await face.run(session, lambda s: s.connection().execute(statement))).all()
    assert [tuple(row) for row in rows] == [("robot", 9), (Kind.HUMAN, Level.LOW)]


# Before a flush


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


# Reading what is not there


async def test_dumping_an_expired_instance_names_what_is_missing(face: Face) -> None:
    await face.create_all([Page])
    async with face.transaction() as session:
        page = Page(body="text")
        session.add(page)
        await face.flush(session)
        await face.run(session, lambda s: s.expire(page))
        for dump in (page.model_dump, page.model_dump_json):
            with pytest.raises(
                NotLoaded, match=r"Page cannot be dumped without version, id, body: a commit, rollback"
            ):
                dump()
        assert repr(page) == "Page(version=<not loaded>, id=<not loaded>, body=<not loaded>)"
        await face.run(session, lambda s: s.refresh(page))
        assert page.model_dump() == {"version": 1, "id": page.id, "body": "text"}
        assert page.model_dump(include={"body"}) == {"body": "text"}


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


# Living with SQLModel


async def test_plain_sqlmodel_tables_stand_beside_models_and_point_at_each_other(face: Face) -> None:
    shared = registry()

    class PlainBase(SQLModel, registry=shared):
        pass

    class HardBase(Model, registry=shared):
        pass

    class Team(PlainBase, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Hero(HardBase, table=True):
        id: int | None = Field(default=None, primary_key=True)
        team_id: int | None = Field(default=None, foreign_key="team.id")
        team: Team | None = Relationship()

    await face.create_all(shared.metadata)
    async with face.transaction() as session:
        session.add_all([Hero(team=Team()), Hero(team=Team())])
    async with face.transaction() as session:
        assert len((await face.exec(session, select(Hero).join(Team))).all()) == 2


def test_an_unnamed_check_of_the_users_own_still_works() -> None:
    class Odd(Local, table=True):
        __table_args__ = (CheckConstraint("id > 0"),)
        id: int | None = Field(default=None, primary_key=True)

    (check,) = [each for each in Odd.__table__.constraints if isinstance(each, CheckConstraint)]  # type: ignore[attr-defined]
    assert str(check.name).startswith("ck_odd_")


def test_a_type_without_a_column_is_refused_with_the_way_out() -> None:
    with pytest.raises(
        ModelError, match=r"Bag.items is list\[int\], which has no column type.* write items: Json\[...\]"
    ):

        class Bag(Local, table=True):
            id: int | None = Field(default=None, primary_key=True)
            items: list[int]


def test_constraints_within_annotated_reach_the_column() -> None:
    class Nested(Local, table=True):
        id: int | None = Field(default=None, primary_key=True)
        code: Annotated[str, Field(max_length=5)] | None = None
        when: Annotated[datetime, "any note"] = Field(sa_type=DateTime(), index=True)  # type: ignore[call-overload]

    table = Nested.__table__  # type: ignore[attr-defined]
    assert (table.c.code.type.length, table.c.code.nullable) == (5, True)
    assert isinstance(table.c.when.type, DateTime)
    assert {str(index.name) for index in table.indexes} == {"ix_nested_when"}


def test_the_twin_validates_mappings_without_an_instance() -> None:
    values, _, sent = field_validator_of(Task).validate_python({"title": "a"})
    assert (values["status"], values["project_id"], sent) == ("pending", None, {"title"})


def test_an_instance_survives_pickling() -> None:
    task = Task(title="a", project_id=1)
    assert pickle.loads(pickle.dumps(task)).model_dump() == task.model_dump()
