"""A schema with anything beyond its fields is written from objects, says why, and comes out right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from sqlmodel import col, select

from fieldstone import Database, Model, fetch, json, plan
from tests import specimens
from tests.specimens import Cabinet, CabinetRead, Specimen


class Validated(Model):
    text: str

    @field_validator("text")
    @classmethod
    def shout(cls, value: str) -> str:
        return value.upper()


class Annotation(BaseModel):
    text: Annotated[str, AfterValidator(str.upper)]


class Whole(BaseModel):
    text: str

    @model_validator(mode="after")
    def check(self) -> Whole:
        return self


class Serialized(BaseModel):
    text: str

    @field_serializer("text")
    def shout(self, value: str) -> str:
        return value.upper()


class Plain(BaseModel):
    text: Annotated[str, PlainSerializer(str.upper)]


class Dumped(BaseModel):
    text: str

    @model_serializer
    def dump(self) -> dict[str, Any]:
        return {"shown": self.text}


class Computed(BaseModel):
    text: str

    @computed_field
    def loud(self) -> str:
        return self.text.upper()


class Made(Model):
    text: str

    def __init__(self, **values: Any) -> None:
        super().__init__(text=values["text"] + "!")


class Finished(BaseModel):
    text: str

    def model_post_init(self, context: Any) -> None:
        self.text += "!"


class Configured(BaseModel):
    model_config = ConfigDict(str_to_upper=True)
    text: str


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    text: str


class InSeconds(BaseModel):
    model_config = ConfigDict(ser_json_timedelta="float")
    duration: timedelta


class Conditional(BaseModel):
    text: str = Field(exclude_if=lambda value: value == "plain")


class Either(BaseModel):
    whole: int | str


class Inner(BaseModel):
    name: str

    @computed_field
    def loud(self) -> str:
        return self.name.upper()


class Nested(BaseModel):
    cabinet: Inner | None


class TwoAlike(BaseModel):
    text: str = Field(serialization_alias="same")
    note: str | None = Field(serialization_alias="same")


BEYOND: dict[type[BaseModel], str] = {
    Validated: "Validated.text has a validator or a serializer of its own",
    Annotation: "Annotation.text has a validator or a serializer of its own",
    Whole: "Whole has a validator, a serializer or a hook of its own",
    Serialized: "Serialized.text has a validator or a serializer of its own",
    Plain: "Plain.text has a validator or a serializer of its own",
    Dumped: "Dumped has a validator, a serializer or a hook of its own",
    Computed: "Computed has computed fields",
    Made: "Made has a constructor of its own",
    Finished: "Finished has a validator, a serializer or a hook of its own",
    Configured: "Configured is configured: str_to_upper",
    Open: "Open is configured: extra",
    InSeconds: "InSeconds is configured: ser_json_timedelta",
    Conditional: "Conditional.text is written on a condition",
    Either: "Either.whole is of a kind that only Pydantic writes (union)",
    Nested: "Inner has computed fields",
    TwoAlike: "TwoAlike writes two fields under one key",
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path: Path = tmp_path_factory.mktemp("exactness")
    with Database(f"sqlite:///{path}/exact.db") as database:
        database.create_all(specimens.METADATA)
        with database.transaction() as session:
            session.add_all(specimens.rows())
        yield database


def answer(database: Database, model: Any, schema: type[BaseModel]) -> tuple[bytes, bytes]:
    statement = select(model).order_by(col(model.id))
    with database.transaction(read_only=True) as session:
        whole = TypeAdapter(list[schema])  # type: ignore[valid-type]  # known at run time
        dumped = whole.dump_json(fetch(session, statement, schema), by_alias=True)
        return json(session, statement, schema), dumped


@pytest.mark.parametrize("schema", BEYOND, ids=lambda schema: schema.__name__)
def test_what_is_more_than_its_fields_is_written_from_objects(database: Database, schema: Any) -> None:
    assert plan(Specimen, schema).why == f"JSON is written from schema objects: {BEYOND[schema]}."
    written, dumped = answer(database, Specimen, schema)
    assert written == dumped


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True, extra="ignore", title="Another name")
    day: date | None = Field(gt=date(1, 1, 1), description="Checked by Pydantic, column by column.")
    text: str = Field(pattern=".", strict=True)


@pytest.mark.parametrize(("model", "schema"), [(Specimen, Strict), (Cabinet, CabinetRead)])
def test_rules_that_change_nothing_keep_rows_exact(database: Database, model: Any, schema: Any) -> None:
    assert plan(model, schema).why.startswith("JSON is written from rows")
    written, dumped = answer(database, model, schema)
    assert written == dumped
