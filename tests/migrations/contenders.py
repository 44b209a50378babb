"""A program that migrates, as many times at once as it is told, or until it is killed.

    python contenders.py together URL DIRECTORY NUMBER
    python contenders.py killed - DIRECTORY 0

`together` forks processes that all begin at one moment, and prints how each fared. `killed` reads
lines of a URL and a number, and forks a process for each that kills itself with SIGKILL in place of
that statement or commit; it answers with the signal, or with 0 where there were fewer.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from fieldstone import Database
from fieldstone.migrations import Project, upgrade


def migrate(url: str, directory: Path) -> int:
    with Database(url) as database:
        return len(upgrade(database, project=Project(("none",), directory, directory)))


def together(url: str, directory: Path, number: int) -> None:
    ready, go = os.pipe()
    results, told = os.pipe()
    for _ in range(number):
        if os.fork() == 0:
            os.close(go)
            os.read(ready, 1)  # ends when the parent closes its end, for all at once
            try:
                answer = f"{migrate(url, directory)}\n"
            except BaseException as error:  # whatever it is, the test should read it
                answer = f"{type(error).__name__}: {error}".replace("\n", " ") + "\n"
            os.write(told, answer.encode())
            os._exit(0)
    os.close(told)
    os.close(ready)
    os.close(go)
    with os.fdopen(results) as answers:
        sys.stdout.write(answers.read())


def killed(directory: Path) -> None:
    for line in sys.stdin:
        url, statement = line.split()
        child = os.fork()
        if child == 0:
            try:
                die_at(int(statement))
                migrate(url, directory)
                os._exit(0)
            finally:
                os._exit(1)
        _, how = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(how), flush=True)


def die_at(statement: int) -> None:
    seen = 0

    def count(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)


if __name__ == "__main__":
    what, where, revisions, count = sys.argv[1:]
    if what == "together":
        together(where, Path(revisions), int(count))
    else:
        killed(Path(revisions))
