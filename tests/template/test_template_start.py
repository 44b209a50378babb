"""`python -m fieldstone.template`: demo data once, one clear line for what is wrong, two at once."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlmodel import select

from fieldstone import Database, count, history_of
from fieldstone.template.models import Assignment, Project, Task, Worker
from fieldstone.template.seed import seed
from tests.template.migrated import migrated

PATIENCE = 60.0


@dataclass(frozen=True)
class Program:
    """The program in a process of its own, with everything that it says in a file."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def said(self) -> str:
        return self.output.read_text()

    def address(self) -> str:
        """Wait until it says where to look."""
        until = time.monotonic() + PATIENCE
        while not (found := re.search(r"The board\s+(http://\S+)\n", self.said)):
            assert self.process.poll() is None, f"it ended before it served. It said: {self.said}"
            assert time.monotonic() < until, f"it serves nothing after {PATIENCE} s. It said: {self.said}"
            time.sleep(0.05)
        return found[1]

    def stop(self) -> int:
        """End it as Ctrl+C does."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


@contextmanager
def started(directory: Path, **environment: str) -> Iterator[Program]:
    """Run the program in a directory of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "HOST", "PORT")}
    with tempfile.NamedTemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "fieldstone.template"],
            cwd=directory,
            env={**kept, "PORT": "0", **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Program(process, Path(output.name))
        finally:
            process.kill()
            process.wait()


def opened(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:
        return str(response.read().decode())


def numbers(database: Database) -> tuple[int, ...]:
    with database.transaction(read_only=True) as session:
        return tuple(count(session, select(model)) for model in (Project, Worker, Task, Assignment))


def test_demo_data_is_planted_once(database: Database) -> None:
    migrated(database)
    assert seed(database) is True
    planted = numbers(database)
    assert planted == (6, 12, 140, 75)
    assert seed(database) is False
    assert numbers(database) == planted


def test_the_history_of_demo_data_agrees_with_its_dates(database: Database) -> None:
    migrated(database)
    seed(database)
    entry = history_of(Task)
    with database.transaction(read_only=True) as session:
        created_at = {str(task.id): task.created_at for task in session.exec(select(Task))}
        told = session.exec(select(entry).where(entry.model == "Task", entry.action == "created")).all()
    assert {one.key: one.at for one in told} == created_at


def test_nothing_is_planted_beside_somebodys_own_projects(database: Database) -> None:
    migrated(database)
    with database.transaction() as session:
        session.add(Project(name="Mine", slug="mine"))
    assert seed(database) is False
    assert numbers(database) == (1, 0, 0, 0)


def test_planting_that_breaks_off_leaves_nothing(database: Database) -> None:
    migrated(database)

    def broken(tasks: object) -> Iterator[object]:
        yield from list(tasks)[:3]  # type: ignore[call-overload]  # whatever the tasks are, there are many
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seed(database, watch=broken)  # type: ignore[arg-type]  # passes on what it was given
    assert numbers(database) == (0, 0, 0, 0)


def test_two_processes_may_start_at_once_on_a_new_database(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    with ExitStack() as running:
        both = [running.enter_context(started(tmp_path, DATABASE_URL=database_url)) for _ in range(2)]
        for program in both:
            assert "Bring the checkout down to one page" in opened(program.address())
    assert numbers(database) == (6, 12, 140, 75)


def test_it_serves_a_file_beside_it_unless_told_otherwise(tmp_path: Path) -> None:
    with started(tmp_path) as program:
        assert "Online shop" in opened(f"{program.address()}/projects")
        assert program.stop() == 0
        assert program.said.endswith("Press Ctrl+C to stop.\n\nStopped.\n")
    assert (tmp_path / "tasks.db").exists()


def refused(directory: Path, **environment: str) -> str:
    with started(directory, **environment) as program:
        assert program.process.wait(PATIENCE) == 1
        assert program.said.count("\n") == 1, program.said
        return program.said


def test_a_taken_port_is_said_in_one_line_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(tmp_path, PORT=str(port))
    assert said.startswith(f"127.0.0.1:{port} cannot be served: Address already in use. Set PORT to another")
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    assert refused(tmp_path, PORT="http").startswith("PORT is 'http', which is not a port.")


def test_a_database_of_another_version_is_said_in_one_line(tmp_path: Path) -> None:
    old = Database(f"sqlite:///{tmp_path}/old.db")
    old.create_all()
    with old.transaction() as session:
        session.connection().exec_driver_sql("ALTER TABLE task RENAME COLUMN contact TO caller")
    old.engine.dispose()
    said = refused(tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/old.db")
    assert "task has no contact. Delete it, or set DATABASE_URL" in said


def test_a_database_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    said = refused(tmp_path, DATABASE_URL=f"postgresql://me:secret@127.0.0.1:{port}/tasks")
    assert "secret" not in said
