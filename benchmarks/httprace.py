"""Stacks behind uvicorn under load: a generator in a second process keeps eight connections busy.

Servers and generator are pinned to different cores. Whether answers are right is known from the calls in
process, which have the same application; here an answer that is an error ends the turn.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

from benchmarks.places import Place
from benchmarks.processes import Process, StackFailed, process
from benchmarks.race import FIRST, Pace, Racer, judged
from benchmarks.results import Cell, Spread
from benchmarks.workload import WORKS, Size

CONNECTIONS = 8
MOST = 5_000
TURN = 0.25
WORKED = ("E1", "E2", "E3", "E4", "E5")


def http_races(
    started: Sequence[Racer],
    urls: Mapping[str, str],
    place: Place,
    codes: Sequence[str],
    size: Size,
    pace: Pace,
) -> Iterator[list[Cell]]:
    """Race the servers of some stacks, work by work."""
    codes = [code for code in codes if code in WORKED]
    if not codes:
        return
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    with ExitStack() as lifetime:
        generator = lifetime.enter_context(process("load"))
        keep_apart(generator, core)
        ports = {
            racer.name: int(
                lifetime.enter_context(process("serving", racer.name, urls[racer.name], core)).line()
            )
            for racer in started
            if not racer.failed
        }
        for code in codes:
            yield http_race(started, ports, generator, place, code, size, pace)


def keep_apart(generator: Process, core: int) -> None:
    """Keep the generator off the servers' core, where there is another."""
    if hasattr(os, "sched_setaffinity") and (others := os.sched_getaffinity(0) - {core}):
        os.sched_setaffinity(generator.process.pid, others)


def http_race(
    started: Sequence[Racer],
    ports: Mapping[str, int],
    generator: Process,
    place: Place,
    code: str,
    size: Size,
    pace: Pace,
) -> list[Cell]:
    cells = []
    fit: list[tuple[Racer, Cell, list[int], list[float]]] = []
    for racer in started:
        state, note = judged(racer, place, "asgi", code, size)
        cell = Cell(place.name, "http", code, racer.name, state, note)
        cells.append(cell)
        if state == "right":
            fit.append((racer, cell, [], []))
    stop = time.monotonic() + pace.seconds * len(fit)
    done, least = 0, 1 if pace.seconds < TURN else 2
    requests = (
        1000 if code == "E5" else 50
    )  # they are sent again and again, and what repeats a change changes nothing
    while fit and (done < least or time.monotonic() < stop):
        start = FIRST["http"] + done * requests
        numbers = list(range(start + 1, start + requests + 1))
        for racer, cell, wall, rates in fit:
            try:
                order = racer.ask("requests", code=code, numbers=numbers) | {"port": ports[racer.name]}
                answer = generator.ask(order | {"connections": CONNECTIONS, "seconds": TURN, "most": MOST})
            except StackFailed as error:
                cell.state, cell.note = "failed", str(error)
                continue
            if done or least == 1:  # the first turn fills caches and pools
                wall += answer["wall"]
                rates.append(len(answer["wall"]) / answer["seconds"])
            if WORKS[code].writes:
                place.restore(racer.name)
        fit = [one for one in fit if one[1].state == "right"]
        done += 1
    for _, cell, wall, rates in fit:
        if wall:
            cell.wall = Spread.of(wall)
            cell.numbers["per_second"] = round(sorted(rates)[len(rates) // 2], 1)
    return cells
