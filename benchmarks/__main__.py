"""Race the stacks: see README.md beside this file.

python -m benchmarks [--only "E1 sqlite asgi"] [--stacks "s1 s7 fieldstone"] [--quick] [--seconds 2]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.places import Place, PostgresPlace, SqlitePlace, memory_directory
from benchmarks.race import Pace, race, racers
from benchmarks.results import Cell, figure, ratio
from benchmarks.stacks import STACKS
from benchmarks.workload import WORKS, Size
from fieldstone.testing import postgres_server

PLACES = ("sqlite", "postgres")
LEVELS = ("library", "asgi")


@dataclass(frozen=True)
class Choice:
    """What of the benchmark is run."""

    works: tuple[str, ...]
    places: tuple[str, ...]
    levels: tuple[str, ...]
    stacks: tuple[str, ...]
    pace: Pace
    size: Size


def main() -> None:
    choice = chosen(parsed())
    for cells in races(choice):
        show(cells)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help='works, places and levels: "E1 E3 sqlite asgi"')
    parser.add_argument(
        "--stacks", default="", help='stacks, or the beginnings of their names: "s1 s7 fieldstone"'
    )
    parser.add_argument("--quick", action="store_true", help="about two minutes instead of twelve")
    parser.add_argument("--seconds", type=float, help="how long each stack is timed in each race")
    return parser.parse_args()


def chosen(arguments: argparse.Namespace) -> Choice:
    words = set(arguments.only.split())
    unknown = words - {*WORKS, *PLACES, *LEVELS}
    if unknown:
        raise SystemExit(
            f"Not known: {', '.join(sorted(unknown))}. Known are: {', '.join((*WORKS, *PLACES, *LEVELS))}."
        )

    def of(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name in words) or tuple(names)

    seconds = arguments.seconds or (0.2 if arguments.quick else 1.0)
    size = Size()
    return Choice(of(tuple(WORKS)), of(PLACES), of(LEVELS), stacks_of(arguments.stacks), Pace(seconds), size)


def stacks_of(words: str) -> tuple[str, ...]:
    """Choose stacks by their names, or by what their names begin with; `module:Class` is one of your own."""
    if not words:
        return tuple(STACKS)
    found: dict[str, None] = {}
    for word in words.split():
        some = [name for name in STACKS if name == word or name.startswith(f"{word}-")] or [word]
        found |= dict.fromkeys(some)
    return tuple(found)


def races(choice: Choice) -> Iterator[list[Cell]]:
    with ExitStack() as lifetime:
        for place in places(choice, lifetime):
            yield from at(place, choice)


def places(choice: Choice, lifetime: ExitStack) -> Iterator[Place]:
    if "sqlite" in choice.places:
        yield SqlitePlace(lifetime.enter_context(memory_directory()), choice.size)
    if "postgres" in choice.places:
        place = PostgresPlace(lifetime.enter_context(postgres_server()), choice.size)
        lifetime.callback(place.close)
        yield place


def at(place: Place, choice: Choice) -> Iterator[list[Cell]]:
    tasks = [code for code in choice.works if code.startswith("E")]
    pages = [code for code in choice.works if code.startswith("P")]
    if tasks:
        urls = {name: place.copy(name) for name in choice.stacks}
        with racers(choice.stacks, urls, choice.size) as started:
            for level in choice.levels:
                for code in tasks:
                    yield race(started, place, level, code, choice.size, choice.pace)
    if pages:
        urls = dict.fromkeys(choice.stacks, place.events())
        with racers(choice.stacks, urls, choice.size) as started:
            for level in choice.levels:
                for code in pages:
                    yield race(started, place, level, code, choice.size, choice.pace)


def show(cells: list[Cell]) -> None:
    """Print one race."""
    first = cells[0]
    beside = {cell.stack: cell for cell in cells}
    print(f"\n{first.place}, {first.level}, {first.work}: {WORKS[first.work].title}")
    columns = "".join(f"{name:>10}{'x S1':>7}{'of S7':>7}" for name in ("median us", "fastest", "CPU us"))
    print(f"  {'':<26}{columns}{'quartiles':>17}{'calls':>7}")
    for cell in cells:
        print(f"  {cell.stack:<26}{row(cell, beside)}", flush=True)


def row(cell: Cell, beside: dict[str, Cell]) -> str:
    if cell.wall is None:
        return f"{cell.state}: {cell.note}" if cell.note else cell.state
    text = ""
    for of in ("median", "fast", "cpu"):
        s1, s7 = (ratio(cell, beside.get(other), of) for other in ("s1", "s7"))
        text += (
            f"{figure(cell, of):>10.0f}"
            + (f"{s1:>7.1f}" if s1 else " " * 7)
            + (f"{s7:>7.0%}" if s7 else " " * 7)
        )
    quartiles = f"{cell.wall.low:.0f}-{cell.wall.high:.0f}"
    return f"{text}{quartiles:>17}{cell.wall.calls:>7} {cell.note}"


if __name__ == "__main__":
    main()
