"""The benchmark judges before it times, and the page shows what its results' file says.

Everything runs on small tables, with the stacks that need nothing beyond the tests' own environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.chart import chart
from benchmarks.httprace import http_races
from benchmarks.places import Place, PostgresPlace, RemotePlace, SqlitePlace
from benchmarks.processes import process
from benchmarks.race import Pace, race, racers
from benchmarks.report import CHART, PAGE, page
from benchmarks.results import RESULTS, Cell, Results, Spread
from benchmarks.targets import verdicts
from benchmarks.workload import Size, difference, expected
from fieldstone.database.urls import parse

SIZE = Size(tasks=2_000, bulk=20, events=2_000)
ONCE = Pace(seconds=0, rounds=1)
MISLED = "tests.misled:Misled"


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        yield SqlitePlace(tmp_path, SIZE)
    else:
        made = PostgresPlace(request.getfixturevalue("postgres_url"), SIZE)
        yield made
        made.close()


def test_stacks_are_right_and_timed(place: Place) -> None:
    with racers({name: place.copy(name) for name in ("s1", "s7", "fieldstone")}, SIZE) as started:
        for code in ("E1", "E2", "E3", "E4", "E5", "E6"):
            for cell in race(started, place, "asgi", code, SIZE, ONCE):
                assert (cell.state, cell.note) == ("right", ""), (code, cell.stack)
                assert cell.wall is not None


def test_generated_routes_and_pages_are_right(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path, SIZE)
    with racers({"fieldstone-routes": place.copy("fieldstone-routes")}, SIZE) as started:
        states = {
            code: race(started, place, "asgi", code, SIZE, ONCE)[0].state for code in ("E3", "E4", "E6")
        }
    assert states == {"E3": "right", "E4": "right", "E6": "missing"}
    with racers(dict.fromkeys(("s1", "s7", "fieldstone-routes"), place.events()), SIZE) as started:
        for code in ("P0", "P9"):
            assert [cell.state for cell in race(started, place, "asgi", code, SIZE, ONCE)] == ["right"] * 3


def test_a_stack_that_answers_wrongly_is_shown_as_wrong_and_not_timed(place: Place) -> None:
    with racers({name: place.copy("misled") for name in (MISLED,)}, SIZE) as started:
        started[0].name = "misled"
        [short] = race(started, place, "library", "E2", SIZE, ONCE)
        [unchanged] = race(started, place, "library", "E5", SIZE, ONCE)
    assert (short.state, short.note, short.wall) == ("wrong", "99 rows instead of 100", None)
    assert (unchanged.state, unchanged.wall) == ("wrong", None)
    assert unchanged.note.startswith("stored is ")


def test_a_stack_that_cannot_start_is_shown_as_failed(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path, SIZE)
    with racers({"s1": f"sqlite:///{tmp_path}/nowhere/none.db"}, SIZE) as started:
        [cell] = race(started, place, "asgi", "E1", SIZE, ONCE)
    assert cell.state == "failed"
    assert "unable to open database file" in cell.note


def test_round_trips_are_counted_on_the_wire(postgres_url: str) -> None:
    url = parse(postgres_url)
    with process("wire", url.host, url.port, 0) as wire:
        place = RemotePlace(postgres_url, SIZE, wire)
        with racers({name: place.copy(name) for name in ("s1", "s7")}, SIZE) as started:
            cells = race(started, place, "asgi", "E1", SIZE, Pace(seconds=0, rounds=2))
        place.close()
    assert [(cell.stack, cell.numbers["trips"]) for cell in cells] == [("s1", 3.0), ("s7", 1.0)]


def test_stacks_are_put_under_load_over_http(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path, SIZE)
    urls = {name: place.copy(name) for name in ("s7", "fieldstone")}
    with racers(urls, SIZE) as started:
        [cells] = http_races(started, urls, place, ["E4"], SIZE, ONCE)
    for cell in cells:
        assert cell.state == "right", cell
        assert cell.numbers["per_second"] > 0


def test_what_is_right_is_worked_out_without_a_stack() -> None:
    right = expected("E3", 0, SIZE)
    assert len(right) == 100
    assert right[3]["assignments"] == [
        {"role": "assignee", "worker": {"id": f"@worker-{n}", "name": f"Worker {n}"}} for n in (17, 28, 4, 41)
    ]
    spelled = [row | {"created_at": row["created_at"].replace("Z", "+00:00")} for row in right]
    assert difference(spelled, right) is None
    assert difference(right[:99], right) == "99 rows instead of 100"
    assert "1 of 100 rows differ" in str(difference([*right[:99], right[0]], right))


def test_targets_are_judged_by_what_was_measured() -> None:
    def measured(stack: str, median: float) -> Cell:
        spread = Spread(median, median, median, median, 1)
        return Cell("postgres", "asgi", "E1", stack, wall=spread, cpu=spread)

    cells = [measured("s1", 100), measured("s7", 20), measured("fieldstone", 25)]
    results = Results("", {}, {}, {}, cells)
    assert [(one.reached, one.hit) for one in verdicts(results)] == [("4.0 x", True), ("80%", True)]
    slower = replace(results, cells=[*cells[:2], measured("fieldstone", 40)])
    assert [(one.reached, one.hit) for one in verdicts(slower)] == [("2.5 x", False), ("50%", False)]


def test_the_page_and_the_chart_are_those_of_the_results() -> None:
    results = Results.read(RESULTS)
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, results) == text, "run: python -m benchmarks.report"
    assert chart(results) == CHART.read_text(encoding="utf-8"), "run: python -m benchmarks.report"
