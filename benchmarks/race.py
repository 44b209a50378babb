"""Let the stacks take turns, once their answers are known to be right.

Every stack is a process of its own; the driver commands them over pipes, and only one works at a time. In
each round every stack has one turn of a few calls, in an order that rotates, pinned to a core that
alternates. So what happens on the machine meanwhile happens to all of them.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.places import Place
from benchmarks.processes import Process, StackFailed, process
from benchmarks.results import Cell, Spread, State
from benchmarks.workload import (
    WORKS,
    Row,
    Size,
    Work,
    change,
    changed_key,
    difference,
    expected,
    new_task,
)

CHECKED = (77, 4711, 12_345)
WARM = 4
FIRST = {"library": 0, "asgi": 200_000, "http": 400_000}
"""Where the calls of a level are counted from: a change that was made before would change nothing."""


@dataclass(frozen=True)
class Pace:
    """How long a race may last: seconds for each contender, and the fewest rounds."""

    seconds: float = 1.0
    rounds: int = 3


@dataclass
class Racer:
    """A stack in its process."""

    name: str
    process: Process
    title: str = ""
    paging: str = ""
    envelope: str = ""
    failed: str = ""

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have the stack do something. Raises StackFailed."""
        answer: dict[str, Any] = self.process.ask({"do": do, **arguments})
        return answer

    def open(self, url: str) -> None:
        """Open the stack on a database, and remember what it says of itself, or that it cannot."""
        try:
            for name, value in self.ask("open", url=url).items():
                setattr(self, name, value)
        except StackFailed as error:
            self.failed = str(error)


@contextmanager
def racers(urls: Mapping[str, str], size: Size) -> Iterator[list[Racer]]:
    """Start the processes of some stacks, each opened on its database."""
    with ExitStack() as lifetime:
        sizes = (size.tasks, size.bulk, size.events)
        started = [Racer(name, lifetime.enter_context(process("worker", name, *sizes))) for name in urls]
        for racer in started:
            racer.open(urls[racer.name])
        yield started


def race(started: Sequence[Racer], place: Place, level: str, code: str, size: Size, pace: Pace) -> list[Cell]:
    """Check what the stacks answer, then time those that are right."""
    cells = []
    fit = []
    for racer in started:
        state, note = judged(racer, place, level, code, size)
        cell = Cell(place.name, level, code, racer.name, state, note)
        if code.startswith("P") and state == "right":
            cell.note = racer.paging
        cells.append(cell)
        if state == "right":
            fit.append((racer, cell, Taken()))
    take_turns(fit, place, level, WORKS[code], pace)
    for _, cell, taken in fit:
        if taken.wall:
            cell.wall, cell.cpu = Spread.of(taken.wall), Spread.of(taken.cpu)
        if taken.trips:
            cell.numbers["trips"] = round(statistics.median(taken.trips), 1)
    return cells


@dataclass
class Taken:
    """The times of one contender, in nanoseconds."""

    wall: list[int] = field(default_factory=list)
    cpu: list[int] = field(default_factory=list)
    trips: list[float] = field(default_factory=list)


def take_turns(
    fit: list[tuple[Racer, Cell, Taken]], place: Place, level: str, work: Work, pace: Pace
) -> None:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    warm = 0 if work.calls == 1 else WARM
    stop = time.monotonic() + pace.seconds * len(fit)
    done = 0
    while fit and (done < pace.rounds or time.monotonic() < stop):
        turn = done % len(fit)
        for racer, cell, taken in [*fit[turn:], *fit[:turn]]:
            start = FIRST[level] + done * (warm + work.calls)
            numbers = list(range(start + 1, start + warm + work.calls + 1))
            core = cores[done % len(cores)]
            try:
                racer.ask("warm", code=work.code, level=level, numbers=numbers[:warm], core=core)
                before = place.trips()  # without the ping of a connection that rested meanwhile
                found = racer.ask("times", code=work.code, level=level, numbers=numbers[warm:])
            except StackFailed as error:
                cell.state, cell.note = "failed", str(error)
                continue
            taken.wall += found["wall"]
            taken.cpu += found["cpu"]
            if done and (trips := place.trips() - before):
                taken.trips.append(trips / work.calls)
            if work.writes:
                place.restore(racer.name)
        fit = [one for one in fit if one[1].state == "right"]
        done += 1


def judged(racer: Racer, place: Place, level: str, code: str, size: Size) -> tuple[State, str]:
    """Say whether a stack answers rightly, and if not, what is wrong."""
    if racer.failed:
        return "failed", racer.failed
    work = WORKS[code]
    numbers = CHECKED if work.calls > 1 else CHECKED[:1]
    try:
        found = racer.ask("answers", code=code, level=level, numbers=numbers)
        if found.get("missing"):
            return "missing", ""
        for number, text in zip(numbers, found["answers"], strict=True):
            problem = problem_of(racer, place, code, number, json.loads(text), size)
            if problem:
                return "wrong", problem
        if code == "E6" and (problem := problem_of_refusal(racer, place, level, size)):
            return "wrong", problem
    except StackFailed as error:
        return "failed", str(error)
    finally:
        if work.writes:
            place.restore(racer.name)
    return "right", ""


def problem_of(racer: Racer, place: Place, code: str, number: int, answer: Any, size: Size) -> str | None:
    """Say what is wrong with an answer, and with what the database holds after it."""
    right = expected(code, number, size)
    if isinstance(right, list) and isinstance(answer, dict):
        answer = answer.get(racer.envelope)
    if code == "E6":
        stored = place.count(racer.name)
        return difference(answer, right) or (f"{stored} rows are stored" if stored != size.bulk else None)
    if code == "E4":
        made = answer.pop("id", None) if isinstance(answer, dict) else None
        if not isinstance(made, int) or made <= size.tasks:
            return f"the key of the new task is {made!r}"
        return difference(answer, right) or stored_wrongly(place, racer, made, new_task(number, size))
    if code == "E5":
        changed = changed_key(number, size)
        return difference(answer, right) or stored_wrongly(place, racer, changed, change(number, size))
    return difference(answer, right)


def stored_wrongly(place: Place, racer: Racer, number: int, right: Row) -> str | None:
    row = place.stored(racer.name, number)
    if row is None:
        return "nothing is stored"
    wrong = difference({name: row[name] for name in right}, right)
    return f"stored is {wrong}" if wrong else None


def problem_of_refusal(racer: Racer, place: Place, level: str, size: Size) -> str | None:
    place.restore(racer.name)
    refused = racer.ask("refuses", level=level)["refused"]
    if not refused:
        return "a row that breaks a rule is taken"
    return "rows are stored though one was refused" if place.count(racer.name) else None
