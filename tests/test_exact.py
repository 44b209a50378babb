"""What is read the short way is what is read the whole way, to the last byte, for every type and value."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic_core import from_json
from sqlmodel import Session, col, select

from fieldstone import fetch, json, json_get, json_page, json_seek, page, plan, seek
from tests import specimens
from tests.faces import Face
from tests.specimens import Specimen, listen, outcome, run, unruled

READS = [(model, schema) for model, schemas in specimens.SCHEMAS.items() for schema in schemas]


@pytest.fixture
async def filled(face: Face) -> Face:
    await face.create_all(specimens.METADATA)
    async with face.transaction() as session:
        session.add_all(specimens.rows())
    return face


def both_ways(session: Session, model: Any, schema: type[BaseModel]) -> tuple[Any, Any, bytes]:
    """Read a table the short way, the whole way, and as bytes."""
    statement = select(model).order_by(model.id)
    short, written = fetch(session, statement, schema), json(session, statement, schema)
    stop = listen(session)
    whole = fetch(session, statement, schema)
    stop()
    return short, whole, written


def dumped(schema: Any, objects: Any) -> bytes:
    return TypeAdapter(schema).dump_json(objects, by_alias=True)


@pytest.mark.parametrize(("model", "schema"), READS, ids=lambda one: one.__name__)
async def test_both_ways_give_the_same_objects_and_bytes(
    filled: Face, model: Any, schema: type[BaseModel]
) -> None:
    async with filled.transaction(read_only=True) as session:
        short, whole, written = await filled.run(session, both_ways, model, schema)
    assert short == whole
    assert [one.model_fields_set for one in short] == [one.model_fields_set for one in whole]
    assert written == dumped(list[schema], whole)  # type: ignore[valid-type]  # known at run time


@pytest.mark.parametrize(("model", "schema"), READS, ids=lambda one: one.__name__)
def test_only_what_pydantic_alone_writes_is_written_from_objects(model: Any, schema: Any) -> None:
    why = plan(model, schema).why
    if schema is specimens.Everything:
        assert why == (
            "JSON is written from schema objects: "
            "Everything.facts has a validator or a serializer of its own."
        )
    else:
        rows = "JSON is written from rows: every column comes out as Pydantic would write it."
        assert why == f"{rows} {BY_DATABASE[schema]}"


BY_DATABASE = {
    specimens.SpecimenRead: (
        "No database can write it: SpecimenRead.real is of kind float in a column of Float."
    ),
    specimens.SpecimenFull: (
        "No database can write it: SpecimenFull.real is of kind float in a column of Float."
    ),
    specimens.Aliased: "No database can write it: Aliased.text is read and left out.",
    specimens.CabinetRead: "SQLite and PostgreSQL could write it too, and would save no statement.",
    specimens.CabinetTree: "No database can write it: the rows of CabinetTree.drawers are found by no index.",
    specimens.CabinetDeep: (
        "No database can write it: the rows of CabinetDeep.specimens are found by no index."
    ),
}


async def test_every_verb_of_bytes_gives_what_its_twin_gives(filled: Face) -> None:
    statement, schema = select(Specimen).order_by(col(Specimen.text)), specimens.SpecimenFull
    key = specimens.rows()[4].id
    async with filled.transaction(read_only=True) as session:
        paged = await filled(page, session, statement, schema, size=2, offset=1, total=True)
        assert await filled(json_page, session, statement, schema, size=2, offset=1, total=True) == dumped(
            type(paged), paged
        )
        first = await filled(seek, session, statement, schema, size=2)
        onwards = await filled(seek, session, statement, schema, size=2, cursor=first.next)
        for cursor, found in ((None, first), (first.next, onwards), (onwards.previous, first)):
            written = from_json(await filled(json_seek, session, statement, schema, size=2, cursor=cursor))
            assert written["items"] == from_json(dumped(type(found), found))["items"]
            assert (written["next"] is None, written["size"]) == (found.next is None, 2)
        one = await filled(json_get, session, Specimen, key, schema)
        assert one == dumped(
            schema, (await filled(fetch, session, statement.where(Specimen.id == key), schema))[0]
        )


# What another program may have written past every rule: column, and the value as SQL.
BADLY = [
    ("text", "''"),
    ("text", "'" + "x" * 101 + "'"),
    ("whole", "NULL"),
    ("kind", "'unheard'"),
    ("colour", "'unheard'"),
    ("level", "7"),
    ("number", "4"),
    ("real", "'NaN'"),
    ("amount", "0.00009"),
    ("at", "NULL"),
    ("cabinet_id", "4711"),
]
# SQLite stores anything anywhere.
BADLY_IN_SQLITE = [
    ("whole", "'many'"),
    ("whole", "2.5"),
    ("whole", "9999999999"),
    ("flag", "7"),
    ("flag", "'yes'"),
    ("text", "CAST('bytes' AS BLOB)"),
    ("text", "'nul' || char(0)"),
    ("real", "9e999"),
    ("real", "'word'"),
    ("at", "'2026-01-31'"),
    ("at", "'2026-W05-1'"),
    ("at", "'2026-01-31 09:30:00'"),
    ("at", "'2026-01-31T09:30:00+02:00'"),
    ("at", "'2026-01-31 09:30:00Z'"),
    ("at", "'never'"),
    ("at", "20260131"),
    ("day", "'2026-01-31 10:00:00'"),
    ("clock", "'25:00'"),
    ("reference", "'not a reference'"),
    ("kind", "1"),
    ("number", "'1'"),
    ("number", "1.5"),
    ("amount", "'word'"),
]


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize(("column", "value"), BADLY_IN_SQLITE + BADLY)
async def test_a_badly_stored_value_comes_out_alike_both_ways(face: Face, column: str, value: str) -> None:
    if face.dialect == "postgresql" and (column, value) in BADLY_IN_SQLITE:
        pytest.skip("PostgreSQL holds values to the types of their columns")
    await face.create_all(specimens.METADATA)
    async with face.transaction() as session:
        session.add_all(specimens.rows())
    async with face.transaction() as session:
        await face.run(session, unruled, "specimen", "text", column)
        await face.run(session, run, f"UPDATE specimen SET {column} = {value} WHERE text = 'plain'")
        outcomes = await face.run(session, outcomes_of, specimens.SpecimenFull)
        assert outcomes["short"] == outcomes["whole"], outcomes
        assert outcomes["bytes"] == outcomes["whole bytes"], outcomes


def outcomes_of(session: Session, schema: type[BaseModel]) -> dict[str, Any]:
    """Read each way, and give what comes or what is raised."""
    statement = select(Specimen).order_by(col(Specimen.id))

    def objects() -> Any:
        return fetch(session, statement, schema)

    def written() -> Any:
        return json(session, statement, schema)

    found = {"short": outcome(objects), "bytes": outcome(written)}
    stop = listen(session)
    found |= {"whole": outcome(objects), "whole bytes": outcome(written)}
    stop()
    return found
