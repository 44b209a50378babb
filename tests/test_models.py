"""Tables that validate what they are given, and stand beside plain SQLModel (P2-P4, P22)."""

# Values and calls that type checkers refuse are what is tested here.
# mypy: disable-error-code="arg-type, call-arg, comparison-overlap, misc, no-any-return, unused-ignore"
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

import pytest
from pydantic import ValidationError
from sqlalchemy import CheckConstraint, DateTime
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import registry
from sqlmodel import SQLModel, select

from fieldstone import InvalidValues, NotLoaded
from fieldstone.errors import ModelError
from fieldstone.models import Field, Model, Relationship
from fieldstone.models.validation import field_validator_of
from tests.faces import Face
from tests.validated import Kind, Local, Meeting, Page, Project, Task, TaskBase


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
    assert task.due is not None
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


def test_a_table_without_a_key_is_refused_with_the_line_to_write() -> None:
    with pytest.raises(ModelError, match=r"Keyless has no primary key. Write id: int \| None = Field"):

        class Keyless(Local, table=True):
            id: int


def test_a_type_without_a_column_is_refused_with_the_way_out() -> None:
    with pytest.raises(
        ModelError, match=r"Bag.items is list\[int\], which has no column type.* write items: Json\[...\]"
    ):

        class Bag(Local, table=True):
            id: int | None = Field(default=None, primary_key=True)
            items: list[int]


def test_a_regex_is_kept_where_sqlmodel_loses_it() -> None:
    class Coded(Local):
        code: str = Field(regex="^[a-z]+$")

    class Stamp(Coded, table=True):
        id: int | None = Field(default=None, primary_key=True)

    with pytest.raises(InvalidValues, match="code: String should match pattern"):
        Stamp(code="A1")
    with pytest.raises(ValidationError, match="should match pattern"):
        Coded(code="A1")
    assert Stamp(code="abc").code == "abc"


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
