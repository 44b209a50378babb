"""Partial schemas, and schemas against their tables (P1, P5, P6)."""

# Values and calls that type checkers refuse are what is tested here.
# mypy: disable-error-code="arg-type, call-arg, comparison-overlap, misc, no-any-return, unused-ignore"
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import warnings
from typing import Annotated, Any, Literal, Self

import pytest
from pydantic import BaseModel, ValidationError, computed_field, field_validator, model_validator
from sqlalchemy import BigInteger
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from fieldstone import InvalidValues, NotSent, SchemaError
from fieldstone.models import Field, Model, Relationship, Timestamps, UUIDKey, Versioned
from fieldstone.models.fields import Json, StoredAs, UtcDatetime
from fieldstone.schemas import (
    check_create,
    check_read,
    check_update,
    partial,
    server_made,
    stored_values,
)


class Local(Model, registry=registry()):
    """Keep this module's tables apart from those of other modules."""


class TaskBase(Local):
    title: str = Field(min_length=1, max_length=20)
    status: Literal["open", "done"] = "open"
    starts: int = Field(default=0, ge=0, le=100)
    ends: int | None = None
    code: str = Field(default="A", schema_extra={"pattern": "^[A-Z]$"})
    tags: Json[list[str]] = Field(default_factory=list)

    @field_validator("title")
    @classmethod
    def stripped(cls, title: str) -> str:
        return title.strip()

    @model_validator(mode="after")
    def in_order(self) -> Self:
        if self.ends is not None and self.starts > self.ends:
            raise ValueError("starts after it ends")
        return self


class User(Local, table=True):
    id: str = Field(primary_key=True, max_length=30)
    hashed_password: str
    tasks: list[Task] = Relationship(back_populates="owner")


class Task(TaskBase, Timestamps, Versioned, table=True):
    id: int | None = Field(default=None, primary_key=True)
    note: str | None = None
    big: int = Field(default=0, sa_type=BigInteger)
    owner_id: str = Field(foreign_key="user.id")
    reviewer_id: str | None = Field(default=None, foreign_key="user.id")
    owner: User = Relationship(back_populates="tasks")
    reviewer: User | None = Relationship()

    @hybrid_property
    def shout(self) -> str:
        return self.title


class UserRead(Local):
    id: str


class TaskRead(TaskBase):
    id: int
    created_at: UtcDatetime
    shout: str
    owner: UserRead
    reviewer: UserRead | None

    @computed_field  # type: ignore[prop-decorator]  # Pydantic's own pattern
    @property
    def url(self) -> str:
        return f"/tasks/{self.id}"


class TaskCreate(TaskBase):
    owner_id: str


@partial
class TaskUpdate(TaskBase):
    pass


# Partial


def test_nothing_sent_is_fine_and_dumps_as_nothing() -> None:
    update = TaskUpdate.model_validate({})
    assert (update.model_dump(), update.model_dump_json(), update.model_fields_set) == ({}, "{}", set())
    assert repr(update) == "TaskUpdate()"


def test_only_what_was_sent_is_there() -> None:
    update = TaskUpdate.model_validate({"title": " x ", "ends": None})
    assert update.model_dump() == {"title": "x", "ends": None}
    assert update == TaskUpdate.model_validate_json('{"title": "x", "ends": null}')


def test_reading_what_was_not_sent_raises_and_getattr_takes_a_default() -> None:
    update = TaskUpdate.model_validate({"title": "x"})
    with pytest.raises(
        NotSent, match=r'TaskUpdate.status was not sent. Test it with "status" in data.model_fields_set'
    ):
        _ = update.status
    assert getattr(update, "status", "none") == "none"
    with pytest.raises(AttributeError):
        _ = update.nonsense  # type: ignore[attr-defined]  # what is tested


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        ({"title": None}, "string_type"),
        ({"status": None}, "literal_error"),
        ({"starts": None}, "int_type"),
        ({"tags": None}, "list_type"),
        ({"title": ""}, "string_too_short"),
        ({"title": "x" * 21}, "string_too_long"),
        ({"starts": 101}, "less_than_equal"),
        ({"status": "gone"}, "literal_error"),
        ({"code": "aa"}, "string_pattern_mismatch"),
        ({"unknown": 1}, "extra_forbidden"),
        ({"starts": 2, "ends": 1}, "value_error"),
    ],
)
def test_every_constraint_is_kept_and_null_is_no_value(sent: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TaskUpdate.model_validate(sent)
    assert [each["type"] for each in refused.value.errors()] == [rule]


def test_a_rule_over_several_fields_waits_until_all_are_sent() -> None:
    assert TaskUpdate.model_validate({"ends": 1}).model_dump() == {"ends": 1}


def test_json_schema_requires_nothing_and_invents_no_default() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schema = TaskUpdate.model_json_schema()
    assert "required" not in schema
    assert all("default" not in field for field in schema["properties"].values())
    assert schema["properties"]["title"] == {
        "maxLength": 20,
        "minLength": 1,
        "title": "Title",
        "type": "string",
    }
    assert schema["additionalProperties"] is False


def test_partial_schemas_nest_and_can_be_subclassed() -> None:
    class Batch(BaseModel):
        updates: list[TaskUpdate]

    class Moved(TaskUpdate):
        to: int

    class Aliased(TaskBase):
        kind: str = Field(alias="type")

    batch = Batch.model_validate({"updates": [{"starts": 1}, {}]})
    assert batch.model_dump() == {"updates": [{"starts": 1}, {}]}
    assert Moved.model_validate({"to": 1}).model_dump() == {"to": 1}
    with pytest.raises(ValidationError):
        Moved.model_validate({})
    assert Moved.model_validate({"ends": 1, "to": 1}).ends == 1
    assert partial(Aliased).model_validate({"type": "x"}).kind == "x"
    assert TaskBase(title="x").status == "open"


def test_only_schemas_of_models_can_be_partial() -> None:
    class Plain(BaseModel):
        x: int

    with pytest.raises(SchemaError, match=r"Plain cannot be partial: it is no Model"):
        partial(Plain)
    with pytest.raises(SchemaError, match=r"User cannot be partial: it is a table"):
        partial(User)


# Fitting schemas


def test_fitting_schemas_pass() -> None:
    check_read(TaskRead, Task)
    check_create(TaskCreate, Task)
    check_update(TaskUpdate, Task)


def test_a_read_may_leave_fields_out() -> None:
    class Short(Local):
        title: str

    check_read(Short, Task)


def test_server_made_fields_are_known() -> None:
    assert server_made(Task) == {"id", "created_at", "updated_at", "version"}
    assert server_made(User) == frozenset()

    class Keyed(UUIDKey, Local, table=True):
        pass

    assert server_made(Keyed) == {"id"}


class NestedUser(Local):
    id: str
    hashed: str


def schema(**fields: Any) -> type[BaseModel]:
    """Make a schema with the given annotations."""
    annotations = {name: each[0] if isinstance(each, tuple) else each for name, each in fields.items()}
    defaults = {name: each[1] for name, each in fields.items() if isinstance(each, tuple)}
    made: Any = type(Local)
    return made("S", (Local,), {"__annotations__": annotations, "__module__": __name__, **defaults})


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (schema(ttle=str), "S.ttle has no counterpart on Task. Its columns are: version, created_at, "),
        (schema(note=str), "S.note cannot be None, but Task.note can"),
        (schema(big=int), "S.big is narrower than Task.big, whose column holds larger numbers"),
        (schema(owner=list[UserRead]), "S.owner does not have the form of Task.owner, which is one object"),
        (
            schema(reviewer=UserRead),
            "S.reviewer cannot be empty, but Task.reviewer can: not every Task has one. Write",
        ),
        (schema(owner=dict[str, Any]), "S.owner holds dict[str, typing.Any], but Task.owner leads to User"),
        (
            schema(owner=User),
            "S.owner holds a table, but Task.owner leads to User, which is shown through a schema",
        ),
        (schema(owner=NestedUser), "NestedUser.hashed has no counterpart on User"),
    ],
)
def test_a_read_that_does_not_fit_is_refused_naming_both(made: type[BaseModel], text: str) -> None:
    with pytest.raises(SchemaError) as refused:
        check_read(made, Task)
    assert text in str(refused.value)


def test_a_list_read_as_one_object_is_refused() -> None:
    with pytest.raises(
        SchemaError, match=r"S.tasks does not have the form of User.tasks, which is a list: write tasks: list"
    ):
        check_read(schema(tasks=UserRead), User)


def test_a_table_is_no_schema() -> None:
    with pytest.raises(SchemaError, match=r"Task is a table and would show or accept every column"):
        check_read(Task, Task)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (schema(title=str), "S.title allows what Task.title refuses: fewer than 1 characters"),
        (schema(title=(str, Field(min_length=1))), "more than 20 characters"),
        (schema(title=(str, Field(min_length=1, max_length=21))), "more than 20 characters"),
        (
            schema(title=(str | None, Field(min_length=1, max_length=20))),
            "S.title allows what Task.title refuses: None",
        ),
        (schema(starts=int), "S.starts allows what Task.starts refuses: less than its lower bound 0"),
        (schema(starts=(int, Field(ge=0))), "more than its upper bound 100"),
        (schema(starts=(int, Field(ge=0, le=101))), "more than its upper bound 100"),
        (schema(ends=(int | None, Field(sa_type=BigInteger))), "less than its lower bound -2147483648"),
        (schema(status=str), "S.status allows what Task.status refuses: values other than 'open', 'done'"),
        (schema(status=Literal["open", "gone"]), "the values 'gone'"),
        (schema(code=str), "text that does not match its pattern"),
        (schema(id=int), "S.id would let a client set Task.id, which the server makes. Take id out of S"),
        (schema(created_at=UtcDatetime), "S.created_at would let a client set Task.created_at"),
        (schema(version=int), "S.version would let a client set"),
        (schema(nothing=int), "S.nothing has no counterpart on Task"),
        (
            schema(word=Annotated[str, StoredAs("nowhere", str)]),
            "S.word is stored as 'nowhere', which is no column of Task",
        ),
    ],
)
def test_a_write_that_allows_what_the_table_refuses_is_refused(made: type[BaseModel], text: str) -> None:
    for check in (check_create, check_update):
        with pytest.raises(SchemaError) as refused:
            check(made, Task)
        assert text in str(refused.value)


@pytest.mark.parametrize(
    "made",
    [
        schema(title=(str, Field(min_length=2, max_length=10))),
        schema(starts=(int, Field(gt=-1, lt=100))),
        schema(starts=Literal[1, 2]),
        schema(status=Literal["open"]),
        schema(ends=int),
    ],
)
def test_a_write_may_be_stricter_than_the_table(made: type[BaseModel]) -> None:
    check_update(made, Task)


def test_a_create_must_bring_what_nothing_else_fills() -> None:
    with pytest.raises(SchemaError, match=r"TaskBase lacks owner_id, which Task.owner_id requires"):
        check_create(TaskBase, Task)
    with pytest.raises(
        SchemaError, match=r"S lacks hashed_password, which User.hashed_password requires and nothing fills"
    ):
        check_create(schema(id=(str, Field(max_length=30))), User)


def test_a_create_may_bring_related_rows_and_a_password() -> None:
    class UserCreate(Local):
        id: str = Field(max_length=30)
        password: Annotated[
            str, Field(min_length=3), StoredAs("hashed_password", lambda word: f"hash of {word}")
        ]
        tasks: list[TaskBase] = []

    check_create(UserCreate, User)
    data = UserCreate(id="@ann", password="secret", tasks=[TaskBase(title="x")])
    values = stored_values(data, User)
    assert {name: values[name] for name in ("id", "hashed_password")} == {
        "id": "@ann",
        "hashed_password": "hash of secret",
    }
    user = User.model_validate(values)
    assert [(task.title, task.owner is user) for task in user.tasks] == [("x", True)]


def test_an_update_cannot_replace_relationships() -> None:
    with pytest.raises(
        SchemaError, match=r"S.owner is the relationship Task.owner: an update changes columns"
    ):
        check_update(schema(owner=UserRead), Task)


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"TaskBase is no table. Name the class that has table=True"):
        check_read(TaskRead, TaskBase)


# Values


def test_stored_values_are_what_was_sent() -> None:
    assert stored_values(TaskUpdate.model_validate({"ends": None}), Task) == {"ends": None}
    assert stored_values({"title": "x"}, Task) == {"title": "x"}
    full = TaskCreate(title="x", owner_id="a")
    assert stored_values(full, Task).keys() == TaskCreate.model_fields.keys()
    assert stored_values(full, Task, sent_only=True) == {"title": "x", "owner_id": "a"}


def test_unknown_keys_of_a_mapping_are_refused() -> None:
    with pytest.raises(InvalidValues, match=r"Task refuses titel: is not a field of Task. Its fields are: "):
        stored_values({"titel": "x"}, Task)


def test_plain_sqlmodel_tables_are_compared_too() -> None:
    class Plain(SQLModel, registry=registry()):
        pass

    class Hero(Plain, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = Field(max_length=5)

    with pytest.raises(SchemaError, match=r"S.name allows what Hero.name refuses: more than 5 characters"):
        check_create(schema(name=str), Hero)
    check_read(schema(id=int, name=str), Hero)
