"""What it costs to give each test a clean database: created anew, copied, or undone.

    python -m benchmarks.isolation [--tests 30]

Each way runs the same test (three rows written and committed, and read back) on the tables of the task app,
in turn, so that a busy machine is busy for all. `create_all` empties one database before each test and makes
the tables anew, as the suite of Fieldstone once did; a new database for each test would cost more still.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlmodel import select

from fieldstone import Database
from fieldstone.template.models import Task, Worker
from fieldstone.testing import make_many, postgres_server
from fieldstone.testing.lending import Lender
from fieldstone.testing.templates import EMPTY, Dialect, schema_of

Way = Callable[[], AbstractContextManager[Database]]


def run(database: Database) -> None:
    """Be the test."""
    with database.transaction() as session:
        make_many(session, Worker, 3)
    with database.transaction(read_only=True) as session:
        assert len(session.exec(select(Worker.id)).all()) == 3


def ways(lender: Lender, dialect: Dialect) -> dict[str, Way]:
    """Name the ways, and say how each gives a database."""
    schema = schema_of(Task.metadata)

    @contextmanager
    def created() -> Iterator[Database]:
        with lender.templates(dialect).lend(EMPTY) as url, Database(url) as database:
            database.create_all(Task.metadata)
            yield database

    @contextmanager
    def copied() -> Iterator[Database]:
        with lender.templates(dialect).lend(schema) as url, Database(url) as database:
            yield database

    return {
        "create_all": created,
        "a copy": copied,
        "savepoints": lambda: lender.isolated(dialect, schema),
    }


def measure(all_ways: dict[str, Way], tests: int) -> dict[str, list[float]]:
    """Give the milliseconds of each test, in turn; what is made only once is made before."""
    taken: dict[str, list[float]] = {name: [] for name in all_ways}
    for number in range(tests + 1):
        for name, way in all_ways.items():
            begun = time.perf_counter()
            with way() as database:
                run(database)
            if number:
                taken[name].append((time.perf_counter() - begun) * 1000)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare ways to isolate tests.")
    parser.add_argument("--tests", type=int, default=30)
    tests: int = parser.parse_args().tests
    dialects: tuple[Dialect, ...] = ("sqlite", "postgresql")
    with postgres_server() as url, tempfile.TemporaryDirectory() as directory:
        lender = Lender(Path(directory), lambda: url)
        for dialect in dialects:
            taken = measure(ways(lender, dialect), tests)
            fresh = statistics.median(taken["create_all"])
            for name, times in taken.items():
                median = statistics.median(times)
                print(f"{dialect:<11}{name:<11}{median:8.1f} ms a test {median / fresh:6.2f} of create_all")
        lender.close()


if __name__ == "__main__":
    main()
