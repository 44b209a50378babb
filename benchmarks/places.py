"""The databases that the work is done in: made once, copied for each stack, and restored after writes.

The tables are made by SQL that belongs to no stack. Each stack has a copy of its own, so that none waits
for the locks of another or reads what it left. Nothing waits for a disk: PostgreSQL does not sync, and the
files of SQLite stand in memory where the machine has a directory for that.
"""

from __future__ import annotations

import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import psycopg
from psycopg import sql as sequel

from benchmarks.processes import Process
from benchmarks.workload import Row, Size, instant, tables

TABLES = """
CREATE TABLE project (id {serial} PRIMARY KEY, name VARCHAR NOT NULL);
CREATE TABLE worker (id VARCHAR NOT NULL PRIMARY KEY, name VARCHAR NOT NULL);
CREATE TABLE task (
    id {serial} PRIMARY KEY,
    title VARCHAR(200) NOT NULL,
    status VARCHAR NOT NULL,
    progress_percent INTEGER NOT NULL,
    created_at {moment} NOT NULL,
    project_id INTEGER REFERENCES project (id)
);
CREATE INDEX ix_task_project_id ON task (project_id);
CREATE TABLE assignment (
    task_id INTEGER NOT NULL REFERENCES task (id),
    worker_id VARCHAR NOT NULL REFERENCES worker (id),
    role VARCHAR NOT NULL,
    PRIMARY KEY (task_id, worker_id)
);
"""

EVENTS = """
CREATE TABLE event (id {serial} PRIMARY KEY, at INTEGER NOT NULL, kind VARCHAR NOT NULL);
INSERT INTO event (id, at, kind) SELECT n, n * 7919 % {rows}, CASE WHEN n % 2 = 0 THEN 'note' ELSE 'task' END
FROM {numbers};
CREATE INDEX ix_event_at_id ON event (at, id);
"""

STORED = "title, status, progress_percent, created_at, project_id"


class Place(Protocol):
    """A database with the rows of the work, and the copies of it."""

    name: str

    def copy(self, stack: str) -> str:
        """Make a copy for a stack, and give its URL."""
        ...

    def events(self) -> str:
        """Give the URL of the database that holds the events; all stacks only read it."""
        ...

    def restore(self, stack: str) -> None:
        """Take away what a stack has created."""
        ...

    def stored(self, stack: str, key: int) -> Row | None:
        """Give a task as the database holds it."""
        ...

    def count(self, stack: str) -> int:
        """Count the tasks that a stack has created."""
        ...

    def trips(self) -> int:
        """Count the round trips to the database so far; 0 where nobody counts."""
        ...


class SqlitePlace:
    """Files of SQLite."""

    name = "sqlite"

    def __init__(self, directory: Path, size: Size) -> None:
        self.directory = directory
        self.size = size
        self.template = directory / "template.db"
        with self.connection("template") as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(TABLES.format(serial="INTEGER", moment="DATETIME"))
            for table, rows in tables(size):
                for some in batches(rows):
                    marks = ", ".join("?" * len(some[0]))
                    values = [[stored(value) for value in row.values()] for row in some]
                    database.executemany(
                        f"INSERT INTO {table} ({', '.join(some[0])}) VALUES ({marks})", values
                    )
            database.commit()
            database.execute("ANALYZE")
            database.commit()

    def copy(self, stack: str) -> str:
        shutil.copy(self.template, self.directory / f"{stack}.db")
        return f"sqlite:///{self.directory / stack}.db"

    def events(self) -> str:
        path = self.directory / "events.db"
        if not path.exists():
            rows = self.size.events
            numbers = (
                f"(WITH RECURSIVE some(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM some WHERE n < {rows}) "
                "SELECT n FROM some)"
            )
            with self.connection("events") as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.executescript(EVENTS.format(serial="INTEGER", rows=rows, numbers=numbers))
                database.execute("ANALYZE")
        return f"sqlite:///{path}"

    def restore(self, stack: str) -> None:
        with self.connection(stack) as database:
            database.execute("DELETE FROM task WHERE id > ?", (self.size.tasks,))
            database.commit()

    def stored(self, stack: str, key: int) -> Row | None:
        with self.connection(stack) as database:
            found = database.execute(f"SELECT {STORED} FROM task WHERE id = ?", (key,)).fetchone()
        if found is None:
            return None
        row = dict(zip(STORED.split(", "), found, strict=True))
        moment = datetime.fromisoformat(row["created_at"])
        return row | {"created_at": instant(moment.replace(tzinfo=moment.tzinfo or UTC))}

    def count(self, stack: str) -> int:
        with self.connection(stack) as database:
            [found] = database.execute(
                "SELECT count(*) FROM task WHERE id > ?", (self.size.tasks,)
            ).fetchone()
        return int(found)

    def trips(self) -> int:
        return 0

    @contextmanager
    def connection(self, name: str) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.directory / f"{name}.db", timeout=30)) as opened:
            yield opened


class PostgresPlace:
    """Databases of one server."""

    name = "postgres"

    def __init__(self, server: str, size: Size) -> None:
        self.server = server
        self.size = size
        self.connections: dict[str, psycopg.Connection[Any]] = {}
        self.made: set[str] = set()
        self.prefix = f"bench_{secrets.token_hex(4)}_"  # the server may be one that others use
        self.create("template")
        with psycopg.connect(self.url("template")) as database:
            database.execute(TABLES.format(serial="SERIAL", moment="TIMESTAMPTZ").encode())
            for table, rows in tables(size):
                self.fill(database, table, rows)
            database.execute("SELECT setval('task_id_seq', %s)", (size.tasks,))
        self.ask("template", "VACUUM ANALYZE")
        self.connections.pop("template").close()

    def fill(self, database: psycopg.Connection[Any], table: str, rows: Iterable[Row]) -> None:
        for some in batches(rows):
            names = sequel.SQL(", ").join(map(sequel.Identifier, some[0]))
            copy = sequel.SQL("COPY {} ({}) FROM STDIN").format(sequel.Identifier(table), names)
            with database.cursor() as cursor, cursor.copy(copy) as sink:
                for row in some:
                    sink.write_row(list(row.values()))

    def create(self, name: str, template: str = "") -> None:
        origin = self.prefix + template if template else "template1"
        with psycopg.connect(self.server, autocommit=True) as server:
            server.execute(
                sequel.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sequel.Identifier(self.prefix + name), sequel.Identifier(origin)
                )
            )
        self.made.add(name)

    def url(self, name: str) -> str:
        return f"{self.server.rpartition('/')[0]}/{self.prefix}{name}"

    def copy(self, stack: str) -> str:
        self.drop(stack)
        self.create(stack, "template")
        return self.url(stack)

    def drop(self, name: str) -> None:
        if name not in self.made:
            return
        if opened := self.connections.pop(name, None):
            opened.close()
        with psycopg.connect(self.server, autocommit=True) as server:
            server.execute(
                sequel.SQL("DROP DATABASE {} WITH (FORCE)").format(sequel.Identifier(self.prefix + name))
            )
        self.made.remove(name)

    def close(self) -> None:
        """Drop what was made: the server may be one that goes on."""
        for name in sorted(self.made):
            self.drop(name)

    def events(self) -> str:
        if "events" not in self.made:
            self.create("events")
            rows = self.size.events
            numbers = f"generate_series(1, {rows}::bigint) AS numbers(n)"
            for statement in EVENTS.format(serial="SERIAL", rows=rows, numbers=numbers).split(";")[:-1]:
                self.ask("events", statement)
            self.ask("events", "VACUUM ANALYZE")
        return self.url("events")

    def restore(self, stack: str) -> None:
        self.ask(stack, "DELETE FROM task WHERE id > %s", self.size.tasks)
        self.ask(stack, "VACUUM task")

    def stored(self, stack: str, key: int) -> Row | None:
        found = self.ask(stack, f"SELECT {STORED} FROM task WHERE id = %s", key).fetchone()
        if found is None:
            return None
        row = dict(zip(STORED.split(", "), found, strict=True))
        return row | {"created_at": instant(row["created_at"].astimezone(UTC))}

    def count(self, stack: str) -> int:
        found = self.ask(stack, "SELECT count(*) FROM task WHERE id > %s", self.size.tasks).fetchone()
        return int(found[0]) if found else 0

    def trips(self) -> int:
        return 0

    def ask(self, name: str, statement: str, *values: Any) -> psycopg.Cursor[Any]:
        if name not in self.connections:
            self.connections[name] = psycopg.connect(self.url(name), autocommit=True)
        return self.connections[name].execute(statement.encode(), values or None)


class RemotePlace(PostgresPlace):
    """The same databases behind a wire that delays and counts; what the driver itself asks goes past it."""

    name = "remote"

    def __init__(self, server: str, size: Size, wire: Process) -> None:
        super().__init__(server, size)
        self.wire = wire
        self.port = int(wire.line())

    def copy(self, stack: str) -> str:
        parts = urlsplit(super().copy(stack))
        return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{self.port}").geturl()

    def trips(self) -> int:
        return int(self.wire.ask("trips"))


@contextmanager
def memory_directory() -> Iterator[Path]:
    """Give a directory that goes with the block, in memory where the machine has such a place."""
    shared = Path("/dev/shm")  # only where it is there
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as directory:
        yield Path(directory)


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while some := list(islice(remaining, 10_000)):
        yield some


def stored(value: Any) -> Any:
    """Write a moment as SQLAlchemy and Django store it in SQLite."""
    return value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value
