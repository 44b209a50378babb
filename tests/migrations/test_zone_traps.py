"""Naive datetimes that become UTC, over rows that are there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import NaiveDatetime
from sqlalchemy import DateTime, text

from fieldstone import Field, Model, UtcDatetime
from fieldstone.migrations import Undecided, downgrade
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


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_the_time_zone_of_naive_datetimes_is_asked_for(bench: Bench) -> None:
    bench.start(naive_events(), EVENT)
    bench.models_are(aware_events())
    with pytest.raises(Undecided, match=r"event.at are naive and become UTC.*--zone event.at=UTC"):
        bench.new()


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("zone", "hour"), [("UTC", 12), ("Europe/Berlin", 10)])
def test_naive_datetimes_become_utc_from_the_zone_that_is_told(bench: Bench, zone: str, hour: int) -> None:
    bench.start(naive_events(), EVENT)
    earlier = bench.rows()
    bench.change(aware_events(), zone={"event.at": zone})
    assert bench.ask("SELECT at FROM event") == [(datetime(2026, 6, 1, hour, tzinfo=UTC),)]
    assert bench.came_back == earlier


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
