"""What a run has measured, and the file that keeps it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

State = Literal["right", "wrong", "failed", "missing"]
RESULTS = Path(__file__).parent / "results" / "results.json"


@dataclass(frozen=True)
class Spread:
    """Times in microseconds: the fastest tenth ends at `fast`, then the quartiles."""

    fast: float
    low: float
    median: float
    high: float
    calls: int

    @classmethod
    def of(cls, nanoseconds: list[int]) -> Spread:
        """Summarise some times."""
        taken = sorted(one / 1000 for one in nanoseconds)
        low, median, high = statistics.quantiles(taken, n=4) if len(taken) > 1 else taken * 3
        fast = taken[len(taken) // 10]
        return cls(round(fast, 1), round(low, 1), round(median, 1), round(high, 1), len(taken))


@dataclass
class Cell:
    """What one stack has done with one work, in one place and at one level."""

    place: str
    level: str
    work: str
    stack: str
    state: State = "right"
    note: str = ""
    wall: Spread | None = None
    cpu: Spread | None = None
    # What some levels measure besides.
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass
class Results:
    """A run: where and when, what the stacks are, and all cells."""

    date: str
    machine: dict[str, str]
    versions: dict[str, str]
    stacks: dict[str, str]
    cells: list[Cell]

    def some(self, place: str, level: str, work: str) -> dict[str, Cell]:
        """Give the cells of a race, by stack."""
        found = (cell for cell in self.cells if (cell.place, cell.level, cell.work) == (place, level, work))
        return {cell.stack: cell for cell in found}

    def races(self) -> Iterator[tuple[str, str, str]]:
        """Give each race that was run: place, level and work."""
        yield from dict.fromkeys((cell.place, cell.level, cell.work) for cell in self.cells)

    def into(self, earlier: Results) -> Results:
        """Put the races of this run in the place of the same ones of an earlier run."""
        again = set(self.races())
        kept = [cell for cell in earlier.cells if (cell.place, cell.level, cell.work) not in again]
        return replace(self, stacks=earlier.stacks | self.stacks, cells=[*kept, *self.cells])

    def write(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        cells = ",\n".join(f"    {json.dumps(_short(cell), ensure_ascii=False)}" for cell in self.cells)
        head = asdict(self) | {"cells": []}
        text = json.dumps(head, indent=2, ensure_ascii=False)
        path.write_text(text.replace('"cells": []', f'"cells": [\n{cells}\n  ]') + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Results:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return cls(**stored | {"cells": [_cell(one) for one in stored["cells"]]})


def _short(cell: Cell) -> dict[str, object]:
    return {name: value for name, value in asdict(cell).items() if value not in (None, "", {})}


def _cell(stored: dict[str, object]) -> Cell:
    spreads = {name: Spread(**stored[name]) for name in ("wall", "cpu") if name in stored}  # type: ignore[arg-type]  # as written above
    return Cell(**stored | spreads)  # type: ignore[arg-type]  # likewise


def ratio(cell: Cell | None, other: Cell | None, of: str = "median") -> float | None:
    """Say how many times faster a cell is than another, by the median or the fastest tenth of its times or by
    its CPU time; None where one of them was not measured."""
    mine, its = (figure(one, of) for one in (cell, other))
    return its / mine if mine and its else None


def figure(cell: Cell | None, of: str) -> float | None:
    """Give one figure of a cell: "median", "fast" or "cpu"."""
    if cell is None or cell.wall is None:
        return None
    if of == "cpu":
        return cell.cpu.median if cell.cpu else None
    return cell.wall.median if of == "median" else cell.wall.fast
