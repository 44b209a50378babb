"""What a run says in docs/performance.md: tables between two marks, a chart, and the file they are made of.

Everything shown is computed from the results' file, the verdict on each target included, so that nobody
writes a number by hand; a test makes the page anew and compares.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.chart import chart
from benchmarks.results import RESULTS, Cell, Results, ratio
from benchmarks.targets import targets
from benchmarks.workload import WORKS

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "performance.md"
CHART = DOCS / "performance.svg"
BEGIN, END = "<!-- benchmark: begin -->", "<!-- benchmark: end -->"
NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL", "remote": "PostgreSQL, 5 ms away"}
CALLED = "from a call to the bytes of its answer"
TASKS = ("E1", "E2", "E3", "E4", "E5", "E6")
SHOWN = (
    "fieldstone",
    "sqlmodel",
    "sqlalchemy",
    "pydantic",
    "fastapi",
    "orjson",
    "asyncpg",
    "psycopg",
    "aiosqlite",
    "uvicorn",
    "advanced-alchemy",
    "fastcrud",
    "fastapi-restly",
    "django",
    "django-ninja",
    "djangorestframework",
)


def results_of(cells: list[Cell], titles: dict[str, str]) -> Results:
    """Put together what was measured, and where."""
    return Results(
        date=datetime.now(UTC).date().isoformat(),
        machine={
            "processor": processor(),
            "cores": str(os.cpu_count()),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        },
        versions=versions(),
        stacks=titles,
        cells=cells,
    )


def processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists() and (found := re.search(r"model name\s*: (.*)", information.read_text())):
        return found[1].strip()
    return platform.processor() or "unknown"


def versions() -> dict[str, str]:
    found = {}
    for name in SHOWN:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def publish(results: Results) -> None:
    """Write the results' file, the chart and the part of the page."""
    results.write(RESULTS)
    CHART.write_text(chart(results), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


def page(text: str, results: Results) -> str:
    """Give the text of the page with its part made anew."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{part(results)}\n{END}{after}"


def part(results: Results) -> str:
    """Give all tables."""
    told = [f"### {title}\n\n{body}" for title, body in sections(results) if body]
    return "\n\n".join([head(results), *told])


def sections(results: Results) -> Iterator[tuple[str, str]]:
    yield "Targets", targets(results)
    for level, title in (("asgi", "from a request to the bytes of its response"), ("library", CALLED)):
        for place in ("sqlite", "postgres"):
            yield f"{NAMES[place]}, {title}", table(results, place, level, TASKS, spread)
    said = "Milliseconds and round trips of a request."
    yield NAMES["remote"], table(results, "remote", "asgi", TASKS[:5], trips, said)
    for place in ("sqlite", "postgres"):
        said = "Requests a second behind uvicorn, eight connections."
        yield f"{NAMES[place]}, over HTTP", table(results, place, "http", TASKS[:5], rate, said)
    for place in ("sqlite", "postgres"):
        said = "Microseconds of the process for a request; a database server's own are not in it."
        yield f"{NAMES[place]}, CPU time", table(results, place, "asgi", TASKS, cpu, said)
    for place in ("sqlite", "postgres"):
        yield f"{NAMES[place]}, pages", table(results, place, "asgi", ("P0", "P9"), spread)
    for place in ("sqlite", "postgres"):
        said = "KiB at the height of one answer, and what a process grows by while it streams."
        yield f"{NAMES[place]}, memory", table(results, place, "memory", ("E2", "E3", "M6"), memory, said)
    yield "Wrong answers", wrong(results)


def head(results: Results) -> str:
    machine = results.machine
    made = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    return (
        f"Measured on {results.date}: {machine['processor']}, {machine['cores']} cores, {machine['system']}, "
        f"load average at the end {machine['load']}; "
        f"Python {machine['python']}, SQLite {machine['sqlite']}; {made}.\n\n"
        "![Times faster than S1](performance.svg)\n\n"
        "Medians in microseconds, quartiles in brackets, and how many times faster than S1."
    )


def table(
    results: Results,
    place: str,
    level: str,
    codes: Sequence[str],
    written: Callable[[Cell, Cell | None], str],
    said: str = "",
) -> str:
    """Give one table, a row a stack; stacks that can do none of it are left out, and so is an empty table."""
    races = [results.some(place, level, code) for code in codes]
    rows = []
    for stack, title in results.stacks.items():
        cells = [race.get(stack) for race in races]
        if any(cell and cell.state != "missing" for cell in cells):
            shown = [told(cell, race.get("s1"), written) for cell, race in zip(cells, races, strict=True)]
            rows.append([title, *shown])
    if not rows:
        return ""
    opening = f"{said}\n\n" if said else ""
    return opening + grid(["", *(f"{code}" for code in codes)], rows) + "\n\n" + legend(codes)


def told(cell: Cell | None, base: Cell | None, written: Callable[[Cell, Cell | None], str]) -> str:
    if cell is None or cell.state == "missing":
        return "-"
    return written(cell, base) if cell.state == "right" else cell.state


def spread(cell: Cell, base: Cell | None) -> str:
    if cell.wall is None:
        return "-"
    wall = cell.wall
    text = f"{wall.median:,.0f} ({wall.low:,.0f}-{wall.high:,.0f})"
    return text + times(ratio(cell, base)) + (f", {cell.note}" if cell.note else "")


def trips(cell: Cell, base: Cell | None) -> str:
    if cell.wall is None:
        return "-"
    count = cell.numbers.get("trips")
    text = f"{cell.wall.median / 1000:.1f}{times(ratio(cell, base))}"
    return text if count is None else f"{text}, {count:g} trips"


def rate(cell: Cell, base: Cell | None) -> str:
    mine = cell.numbers.get("per_second")
    its = base.numbers.get("per_second") if base else None
    return "-" if mine is None else f"{mine:,.0f}{times(mine / its if its else None)}"


def cpu(cell: Cell, base: Cell | None) -> str:
    return "-" if cell.cpu is None else f"{cell.cpu.median:,.0f}{times(ratio(cell, base, 'cpu'))}"


def memory(cell: Cell, _base: Cell | None) -> str:
    if "growth" in cell.numbers:
        return f"{cell.numbers['growth'] / 2**20:.1f} MiB"
    return f"{cell.numbers['peak'] / 1024:,.0f}" if "peak" in cell.numbers else "-"


def times(value: float | None) -> str:
    return f", {value:.1f} x" if value else ""


def wrong(results: Results) -> str:
    """List what was not timed since its answer was wrong, or since it failed."""
    found: dict[str, None] = {}
    for cell in results.cells:
        if cell.state in {"wrong", "failed"}:
            title = results.stacks.get(cell.stack, cell.stack)
            note = cell.note.replace("\n", " ")[:160]
            found[f"- {title}, {cell.work} on {NAMES[cell.place]}, {cell.level}: {cell.state}, `{note}`"] = (
                None
            )
    return "\n".join(found) or "None."


def legend(codes: Iterable[str]) -> str:
    return "; ".join(f"{code}: {WORKS[code].title}" for code in codes) + "."


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    publish(Results.read(RESULTS))
