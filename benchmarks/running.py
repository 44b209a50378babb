"""Run what was chosen: place by place, level by level, work by work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from benchmarks.httprace import http_races
from benchmarks.places import Place, PostgresPlace, RemotePlace, SqlitePlace, memory_directory
from benchmarks.processes import StackFailed, process
from benchmarks.race import Pace, Racer, race, racers
from benchmarks.results import Cell
from benchmarks.workload import Size
from fieldstone.testing import postgres_server

PLACES = ("sqlite", "postgres", "remote")
LEVELS = ("library", "asgi", "http", "memory")
ROUND_TRIP = 5.0
STREAM = "M6"


@dataclass(frozen=True)
class Choice:
    """What of the benchmark is run, and how long each stack has in each race."""

    works: Sequence[str]
    places: Sequence[str]
    levels: Sequence[str]
    stacks: Sequence[str]
    pace: Pace
    size: Size

    def level(self, name: str) -> bool:
        return name in self.levels


class Run:
    """A run, which remembers what the stacks are called."""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self.titles: dict[str, str] = {}

    def races(self) -> Iterator[list[Cell]]:
        """Run them all, and give the cells of each race as it ends."""
        with ExitStack() as lifetime:
            for place in places(self.choice, lifetime):
                yield from self.tasks(place)
                if place.name != "remote":
                    yield from self.events(place)

    def tasks(self, place: Place) -> Iterator[list[Cell]]:
        codes = [code for code in self.choice.works if code.startswith("E")]
        if not codes:
            return
        urls = {name: place.copy(name) for name in self.choice.stacks}
        with racers(urls, self.choice.size) as started:
            self.remember(started)
            if place.name == "remote":
                codes = [code for code in codes if code != "E6"]
                yield from self.in_process(started, place, "asgi", codes)
                return
            for level in ("library", "asgi"):
                if self.choice.level(level):
                    yield from self.in_process(started, place, level, codes)
            if self.choice.level("http"):
                yield from http_races(started, urls, place, codes, self.choice.size, self.choice.pace)
            if self.choice.level("memory"):
                yield from (peaks(started, place, code) for code in codes if code in {"E2", "E3"})

    def events(self, place: Place) -> Iterator[list[Cell]]:
        codes = [code for code in self.choice.works if code.startswith("P")]
        streams = STREAM in self.choice.works and self.choice.level("memory")
        if not (codes and (self.choice.level("library") or self.choice.level("asgi"))) and not streams:
            return
        with racers(dict.fromkeys(self.choice.stacks, place.events()), self.choice.size) as started:
            self.remember(started)
            for level in ("library", "asgi"):
                if self.choice.level(level):
                    yield from self.in_process(started, place, level, codes)
            if streams:
                yield [grown(racer, place, self.choice.size) for racer in started]

    def in_process(
        self, started: Sequence[Racer], place: Place, level: str, codes: Sequence[str]
    ) -> Iterator[list[Cell]]:
        for code in codes:
            yield race(started, place, level, code, self.choice.size, self.choice.pace)

    def remember(self, started: Sequence[Racer]) -> None:
        self.titles |= {racer.name: racer.title for racer in started if racer.title}


def places(choice: Choice, lifetime: ExitStack) -> Iterator[Place]:
    if "sqlite" in choice.places:
        yield SqlitePlace(lifetime.enter_context(memory_directory()), choice.size)
    if not {"postgres", "remote"} & set(choice.places):
        return
    server = lifetime.enter_context(postgres_server())
    if "postgres" in choice.places:
        place = PostgresPlace(server, choice.size)
        lifetime.callback(place.close)
        yield place
        place.close()
    if "remote" in choice.places:
        parts = urlsplit(server)
        wire = lifetime.enter_context(process("wire", parts.hostname, parts.port, ROUND_TRIP))
        remote = RemotePlace(server, choice.size, wire)
        lifetime.callback(remote.close)
        yield remote


def peaks(started: Sequence[Racer], place: Place, code: str) -> list[Cell]:
    """Measure the memory of one answer at its height, by the call or, without one, by the request."""
    cells = []
    for racer in started:
        cell = Cell(place.name, "memory", code, racer.name)
        try:
            found = racer.ask("peak", code=code, level="library", number=3)
            if found.get("missing"):
                found = racer.ask("peak", code=code, level="asgi", number=3)
                cell.note = "with the application"
        except StackFailed as error:
            cell = replace(cell, state="failed", note=str(error))
        else:
            cell.state = "missing" if found.get("missing") else "right"
            cell.numbers = {name: value for name, value in found.items() if name == "peak"}
        cells.append(cell)
    return cells


def grown(racer: Racer, place: Place, size: Size) -> Cell:
    """Measure by how much a process grows while it streams."""
    cell = Cell(place.name, "memory", STREAM, racer.name)
    try:
        found = racer.ask("growth")
    except StackFailed as error:
        return replace(cell, state="failed", note=str(error))
    if found.pop("missing", None):
        return replace(cell, state="missing")
    rows = found.pop("rows")
    if rows != size.events:
        return replace(cell, state="wrong", note=f"{rows} rows instead of {size.events}")
    return replace(cell, numbers=found)
