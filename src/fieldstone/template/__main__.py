"""`python -m fieldstone.template`: migrate the tables, plant the demo data, serve.

DATABASE_URL chooses the database (sqlite:///tasks.db unless set), HOST and PORT the address. GUARD=1
adds /_guard, the page that shows what each request sent to the database.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import TypeVar

import uvicorn
from rich.progress import track

from fieldstone import Database, FieldstoneError
from fieldstone.migrations import Unrecognised
from fieldstone.template.app import create_app
from fieldstone.template.seed import seed
from fieldstone.template.tables import migrate

T = TypeVar("T")


def main() -> None:
    """Serve the task app until it is interrupted."""
    try:
        listening = _listen(os.environ.get("HOST", "127.0.0.1"), os.environ.get("PORT", "8000"))
        with closing(listening):
            database = Database(os.environ.get("DATABASE_URL") or "sqlite:///tasks.db")
            _migrate(database)
            if seed(database, watch=_watch):
                _say("Demo data planted.")
            _serve(database, listening)
    except FieldstoneError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:  # the server may also have ended on it by itself
        pass
    _say("Stopped.")


def _listen(host: str, port: str) -> socket.socket:
    """Take the address first: whoever cannot have it should not wait for anything else."""
    if not port.isdecimal() or int(port) > 65_535:
        sys.exit(f"PORT is {port!r}, which is not a port. Set it to a number up to 65535, such as 8000.")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        sys.exit(
            f"{host}:{port} cannot be served: {reason}. "
            f"Set PORT to another, such as PORT={(int(port) + 1) % 65_536}."
        )


def _migrate(database: Database) -> None:
    """Bring the tables up to date, or say in one line what no version of the app has made."""
    try:
        ran = migrate(database)
    except Unrecognised as unknown:
        table, _, name = (*unknown.lacks, *unknown.besides)[0].partition(".")
        sys.exit(
            f"{database.url} was made by another version of the app: {table} has "
            f"{'no ' if unknown.lacks else ''}{name}. Delete it, or set DATABASE_URL to a new database."
        )
    for each in ran:
        _say(f"Migrated: {each.title}.")


def _serve(database: Database, listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    site = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    _say(f"\n  The board   {site}\n  The API     {site}/docs\n  Database    {database.url}\n")
    _say("Press Ctrl+C to stop.\n")
    config = uvicorn.Config(
        create_app(database, guard=os.environ.get("GUARD") == "1"), log_level="warning", server_header=False
    )
    uvicorn.Server(config).run(sockets=[listening])


def _watch(tasks: Sequence[T]) -> Iterable[T]:
    """Show a bar to a person, and lines to a log."""
    if sys.stdout.isatty():
        return track(tasks, description="Planting demo data")
    _say(f"Planting demo data: {len(tasks)} tasks with their subtasks.")
    return tasks


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # the program's own voice


if __name__ == "__main__":
    main()
