"""Naive datetimes that become UTC, over rows that are there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import NaiveDatetime
from sqlalchemy import DateTime, text

from fieldstone import Field, Model, UtcDatetime
from fieldstone.migrations import MigrationRefused, Undecided, differences, downgrade, lint
from fieldstone.migrations.scripting import sql_of
from tests.migrations.workbench import Bench, Plain, models

EVENT = "INSERT INTO event (id, at) VALUES (1, '2026-06-01 12:00:00.000000')"


def naive_events() -> Any:
    class Base(Model, registry=models()):
        pass

    class Event(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        at: NaiveDatetime = Field(sa_type=DateTime)

    return Base


def aware_events() -> Any:
    class Base(Model, registry=models()):
        pass

    class Event(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        at: UtcDatetime

    return Base


def set_zone(plain: Plain, setting: str) -> None:
    ((database,),) = plain.ask("SELECT current_database()")
    plain.execute(f'ALTER DATABASE "{database}" {setting}')


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_plain_alembic_shifts_naive_datetimes_by_the_sessions_time_zone(plain: Plain) -> None:
    plain.execute(
        "CREATE TABLE event (id SERIAL PRIMARY KEY, at TIMESTAMP NOT NULL)",
        "INSERT INTO event VALUES (1, '2026-06-01 12:00')",
    )
    set_zone(plain, "SET timezone = 'America/New_York'")
    try:
        said = plain.revision(aware_events())
        file = next((plain.directory / "versions").glob("*.py"))
        file.write_text(said.replace("import sqlalchemy as sa", "import sqlalchemy as sa\nimport sqlmodel"))
        plain.up()
        assert plain.ask("SELECT at FROM event") == [(datetime(2026, 6, 1, 16, tzinfo=UTC),)]
    finally:
        set_zone(plain, "RESET timezone")


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_plain_alembic_takes_naive_datetimes_of_sqlite_for_utc_without_a_word(plain: Plain) -> None:
    plain.start(naive_events(), EVENT)
    said = plain.revision(aware_events())
    assert "alter_column" not in said
    assert plain.ask("SELECT at FROM event") == [("2026-06-01 12:00:00.000000",)]


def test_the_time_zone_of_naive_datetimes_is_asked_for(bench: Bench) -> None:
    bench.start(naive_events(), EVENT)
    bench.models_are(aware_events())
    with pytest.raises(Undecided, match=r"event.at are naive and become UTC.*--zone event.at=UTC"):
        bench.new()
    (line,) = differences(bench.database, project=bench.project)
    assert line.startswith("column event.at: is ")
    if bench.dialect == "sqlite":
        assert line == "column event.at: is naive; the models say UTC"


@pytest.mark.parametrize(("zone", "hour"), [("UTC", 12), ("Europe/Berlin", 10)])
def test_naive_datetimes_become_utc_from_the_zone_that_is_told(bench: Bench, zone: str, hour: int) -> None:
    bench.start(naive_events(), EVENT)
    earlier = bench.rows()
    said = bench.change(aware_events(), zone={"event.at": zone})
    assert f"steps.to_utc('event', 'at', zone='{zone}')" in said
    ((found,),) = bench.ask("SELECT at FROM event")
    if bench.dialect == "postgresql":
        assert found == datetime(2026, 6, 1, hour, tzinfo=UTC)
    else:
        assert found == f"2026-06-01 {hour}:00:00.000000"
    assert bench.came_back == earlier
    assert bench.new() == ""
    assert [each.danger.rule for each in lint(project=bench.project, dialect="sqlite")] == []


def test_the_time_zone_is_asked_for_also_where_the_column_is_renamed(bench: Bench) -> None:
    class Base(Model, registry=models()):
        pass

    class Event(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)
        happened_at: UtcDatetime

    bench.start(naive_events(), EVENT)
    bench.models_are(Base)
    with pytest.raises(Undecided, match=r"--zone event.happened_at=UTC"):
        bench.new(rename=["event.at=happened_at"])
    bench.models_are(naive_events())
    zone = {"event.happened_at": "Europe/Berlin"}
    bench.change(Base, rename=["event.at=happened_at"], zone=zone)
    ((found,),) = bench.ask("SELECT happened_at FROM event")
    assert str(found).startswith("2026-06-01 10:00")


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_time_zones_of_sqlite_are_not_written_as_sql(bench: Bench) -> None:
    bench.start(naive_events(), EVENT)
    bench.change(aware_events(), zone={"event.at": "Europe/Berlin"})
    with pytest.raises(MigrationRefused, match=r"The datetimes of event.at are turned by Python on SQLite"):
        sql_of(bench.project, "base:head", "sqlite")
    assert "AT TIME ZONE" in sql_of(bench.project, "base:head", "postgresql")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_step_turns_naive_datetimes_into_utc_and_back_on_both(bench: Bench, zone: str) -> None:
    bench.start(naive_events(), "INSERT INTO event (id, at) VALUES (1, '2026-06-01 12:00:00.000000')")
    earlier = bench.rows()
    bench.models_are(aware_events())
    file = bench.directory / "migrations" / "hand.py"
    bench.new("By hand", empty=True)
    file = next(bench.project.versions.glob("*by_hand*"))
    said = file.read_text().replace(
        "from alembic import op", "from alembic import op\nfrom fieldstone.migrations import steps"
    )
    up, down = f"steps.to_utc('event', 'at', zone='{zone}')", f"steps.to_naive('event', 'at', zone='{zone}')"
    said = said.replace("pass", up, 1).replace("pass", down, 1)
    file.write_text(said)
    bench.up()
    hour = 12 if zone == "UTC" else 10
    with bench.database.transaction() as session:
        (found,) = session.connection().execute(text("SELECT at FROM event")).one()
    assert str(found).startswith(f"2026-06-01 {hour}:00")
    downgrade(bench.database, project=bench.project)
    assert bench.rows() == earlier
