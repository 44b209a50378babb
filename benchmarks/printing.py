"""A race as lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.results import Cell, figure, ratio
from benchmarks.workload import WORKS


def show(cells: Sequence[Cell]) -> None:
    """Print one race."""
    first = cells[0]
    beside = {cell.stack: cell for cell in cells}
    print(f"\n{first.place}, {first.level}, {first.work}: {WORKS[first.work].title}")
    if first.level != "memory":
        columns = "".join(f"{name:>10}{'x S1':>7}{'of S7':>7}" for name in ("median us", "fastest", "CPU us"))
        print(f"  {'':<26}{columns}{'quartiles':>17}{'calls':>7}")
    for cell in cells:
        print(f"  {cell.stack:<26}{row(cell, beside)}", flush=True)


def row(cell: Cell, beside: dict[str, Cell]) -> str:
    if cell.state != "right":
        return f"{cell.state}: {cell.note}" if cell.note else cell.state
    further = " ".join(f"{name}={value:,.1f}" for name, value in cell.numbers.items())
    if cell.wall is None:
        return f"{further} {cell.note}"
    text = ""
    for of in ("median", "fast", "cpu"):
        value, s1, s7 = figure(cell, of), ratio(cell, beside.get("s1"), of), ratio(cell, beside.get("s7"), of)
        text += f"{f'{value:.0f}' if value else '':>10}"
        text += f"{f'{s1:.1f}' if s1 else '':>7}{f'{s7:.0%}' if s7 else '':>7}"
    quartiles = f"{cell.wall.low:.0f}-{cell.wall.high:.0f}"
    return f"{text}{quartiles:>17}{cell.wall.calls:>7} {further} {cell.note}"
