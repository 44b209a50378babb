"""What was aimed at, and whether it is reached: decided here from the results, never by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.results import Results, ratio

WORKED = ("E1", "E2", "E3", "E4", "E5", "E6")
FASTER: dict[str, dict[str, float]] = {
    "sqlite": dict(zip(WORKED, (20, 10, 15, 8, 8, 70), strict=True)),
    "postgres": dict(zip(WORKED, (4, 4.5, 8, 5, 5, 13), strict=True)),
}
SHARE = dict(zip(WORKED, (0.75, 0.9, 0.95, 0.75, 0.75, 0.95), strict=True))
TRIPS = {"E1": 1, "E2": 1, "E3": 2, "E4": 1, "E5": 1}
PEAK_KIB = {"fieldstone-rows": 420, "fieldstone-json": 190}
GROWTH_MIB = 64
FLAT = 1.5
JUDGED = ("fieldstone", "fieldstone-routes")


@dataclass(frozen=True)
class Verdict:
    """One target: what it is about, what was aimed at and what was measured."""

    about: str
    aimed: str
    reached: str
    hit: bool

    def line(self) -> str:
        return f"| {self.about} | {self.aimed} | {self.reached} | {'hit' if self.hit else '**missed**'} |"


def targets(results: Results) -> str:
    """Give the table of targets, for bytes from an endpoint written by hand and for generated routes."""
    lines = [verdict.line() for verdict in verdicts(results)]
    return "\n".join(["| | aimed at | reached | |", "|---|---|---|---|", *lines])


def verdicts(results: Results) -> Iterator[Verdict]:
    for place in ("sqlite", "postgres"):
        for stack in JUDGED:
            yield from speed(results, place, stack)
            yield from flatness(results, place, stack)
    for stack in JUDGED:
        yield from round_trips(results, stack)
    yield from memory(results)


def speed(results: Results, place: str, stack: str) -> Iterator[Verdict]:
    for code in WORKED:
        race = results.some(place, "asgi", code)
        about = f"{results.stacks.get(stack, stack)}, {code} on {place}"
        faster = ratio(race.get(stack), race.get("s1"))
        if faster is not None:
            aim = FASTER[place][code]
            yield Verdict(about, f"{aim:g} x S1", f"{faster:.1f} x", faster >= aim)
        share = ratio(race.get(stack), race.get("s7"))
        if share is not None:
            yield Verdict(about, f"{SHARE[code]:.0%} of S7", f"{share:.0%}", share >= SHARE[code])


def flatness(results: Results, place: str, stack: str) -> Iterator[Verdict]:
    deep = results.some(place, "asgi", "P9").get(stack)
    dearer = ratio(results.some(place, "asgi", "P0").get(stack), deep)
    if dearer is not None:
        about = f"{results.stacks.get(stack, stack)}, the deep page on {place}"
        yield Verdict(about, f"{FLAT} x the first", f"{dearer:.2f} x", dearer <= FLAT)


def round_trips(results: Results, stack: str) -> Iterator[Verdict]:
    for code, aim in TRIPS.items():
        cell = results.some("remote", "asgi", code).get(stack)
        trips = cell.numbers.get("trips") if cell else None
        if trips is not None:
            about = f"{results.stacks.get(stack, stack)}, {code}"
            yield Verdict(about, f"{aim} round trips", f"{trips:g}", trips <= aim)


def memory(results: Results) -> Iterator[Verdict]:
    for place in ("sqlite", "postgres"):
        for stack, aim in PEAK_KIB.items():
            cell = results.some(place, "memory", "E3").get(stack)
            if cell and "peak" in cell.numbers:
                reached = cell.numbers["peak"] / 1024
                about = f"{results.stacks.get(stack, stack)}, E3 on {place}"
                yield Verdict(about, f"{aim} KiB at its height", f"{reached:,.1f}", reached <= aim)
        for stack in ("fieldstone-objects", "fieldstone-objects-sync"):
            cell = results.some(place, "memory", "M6").get(stack)
            if cell and "growth" in cell.numbers:
                reached = cell.numbers["growth"] / 2**20
                about = f"{results.stacks.get(stack, stack)}, M6 on {place}"
                yield Verdict(about, f"{GROWTH_MIB} MiB of growth", f"{reached:,.1f}", reached <= GROWTH_MIB)
