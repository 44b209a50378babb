"""A twin makes the same objects as the schema's own constructor, by the same rules, without calling it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)
from sqlmodel import SQLModel

from fieldstone import Field, Model
from fieldstone.reading.twins import core_schema_of, twin


class Inner(Model):
    number: int = Field(ge=0)


class Outer(SQLModel):
    name: str = Field(alias="theName")
    inner: Inner | None = None
    many: list[Inner] = []

    @field_validator("name")
    @classmethod
    def shout(cls, value: str) -> str:
        return value.upper()


VALUES = {"name": "x", "inner": {"number": 1}, "many": [{"number": 2}]}


def make(schema: type[BaseModel], values: dict[str, Any]) -> Any:
    return twin(schema).validate_python(values, by_name=True, by_alias=False)


def test_a_twin_makes_equal_objects_of_the_same_classes() -> None:
    made = make(Outer, VALUES)
    assert made == Outer.model_validate({"theName": "x", "inner": {"number": 1}, "many": [{"number": 2}]})
    assert (type(made), type(made.inner), type(made.many[0])) == (Outer, Inner, Inner)


def test_a_twin_knows_which_fields_were_set() -> None:
    assert make(Outer, {"name": "x"}).model_fields_set == {"name"}


def test_a_twin_obeys_the_rules_of_nested_schemas() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        make(Outer, {**VALUES, "many": [{"number": -1}]})


def test_a_twin_does_not_call_the_constructor_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any, **values: Any) -> None:
        raise AssertionError("called")

    expected = make(Outer, VALUES)
    monkeypatch.setattr("sqlmodel.main.sqlmodel_init", refuse)
    assert make(Outer, VALUES) == expected


def test_how_a_field_is_written_stays_where_a_rule_of_reading_is_left_out() -> None:
    class Priced(Model):
        cents: int

        @field_serializer("cents")
        def as_text(self, cents: int) -> str:
            return str(cents)

    known = core_schema_of(Priced)
    assert "function-before" in str(Priced.__pydantic_core_schema__)
    assert "function-before" not in str(known)
    assert "serialization" in known["schema"]["fields"]["cents"]["schema"]


def test_a_twin_calls_the_constructor_of_the_user() -> None:
    class Counted(Model):
        number: int

        def __init__(self, **values: Any) -> None:
            super().__init__(number=values["number"] + 1)

    assert make(Counted, {"number": 1}).number == 2


def test_model_validators_run_on_the_made_object() -> None:
    class Pair(Model):
        model_config = cast(Any, ConfigDict(extra="forbid"))
        low: int
        high: int

        @model_validator(mode="after")
        def in_order(self) -> Pair:
            if self.low > self.high:
                raise ValueError("low is above high")
            return self

    assert make(Pair, {"low": 1, "high": 2}).high == 2
    with pytest.raises(ValidationError, match="low is above high"):
        make(Pair, {"low": 3, "high": 2})
