"""What every stack is given to do, and the answers that are right.

10 projects, 50 workers, 20,000 tasks, about 2 assignments a task, and a million events. The answers are
worked out here from the rows alone, by no stack and no database. Only the standard library is imported:
each stack runs in a process of its own, and must not pay for what another one needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

Status = Literal["pending", "in_progress", "completed"]
STATUSES: tuple[Status, ...] = ("pending", "in_progress", "completed")
BEGINNING = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)
PAGE = 100
Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """How many rows there are; tests take fewer."""

    tasks: int = 20_000
    bulk: int = 10_000
    events: int = 1_000_000
    workers: int = 50
    projects: int = 10

    @property
    def depth(self) -> int:
        """How many events come before the deep page."""
        return self.events * 9 // 10


@dataclass(frozen=True)
class Work:
    """One thing to do. `calls` is how many of them a stack makes in one turn."""

    code: str
    title: str
    calls: int
    writes: bool = False


WORKS = {
    work.code: work
    for work in (
        Work("E1", "one task", 50),
        Work("E2", f"{PAGE} flat tasks", 20),
        Work("E3", f"{PAGE} tasks, each with its project and its assignments with their workers", 10),
        Work("E4", "create a task", 30, writes=True),
        Work("E5", "change two fields of a task", 30, writes=True),
        Work("E6", "10,000 tasks in bulk, validated", 1, writes=True),
        Work("M6", "a stream of 1,000,000 events", 1),
        Work("P0", f"the first page of {PAGE} events", 5),
        Work("P9", f"the page behind 900,000 of 1,000,000 events, {PAGE} events", 5),
    )
}


def argument(code: str, number: int, size: Size) -> Any:
    """Give what call `number` works on: a key, an offset, or what a client sends."""
    given: dict[str, Callable[[], Any]] = {
        "E1": lambda: key(number, size),
        "E2": lambda: offset(number, size),
        "E3": lambda: offset(number, size),
        "E4": lambda: body(new_task(number, size)),
        "E5": lambda: (changed_key(number, size), body(change(number, size))),
        "E6": lambda: body(bulk(size)),
        "P0": lambda: 0,
        "P9": lambda: size.depth,
    }
    return given[code]()


def expected(code: str, number: int, size: Size) -> Any:
    """Give the right answer to call `number`, as JSON holds it, apart from the key of a new row."""
    first = offset(number, size) + 1
    right: dict[str, Callable[[], Any]] = {
        "E1": lambda: flat(task(key(number, size))),
        "E2": lambda: [flat(task(n)) for n in range(first, first + PAGE)],
        "E3": lambda: [full(task(n), size) for n in range(first, first + PAGE)],
        "E4": lambda: flat(new_task(number, size)),
        "E5": lambda: flat(task(changed_key(number, size))) | change(number, size),
        "E6": lambda: {"created": size.bulk},
        "P0": lambda: events(size, 0),
        "P9": lambda: events(size, size.depth),
    }
    return right[code]()


def offset(number: int, size: Size) -> int:
    """Give where a list begins: at a whole page, never so deep that skipping would be what is measured."""
    return number * PAGE % (size.tasks // 20)


def key(number: int, size: Size) -> int:
    """Give a task of the half that only reads touch."""
    return number * 7919 % (size.tasks // 2) + 1


def changed_key(number: int, size: Size) -> int:
    """Give a task of the other half, which is left changed."""
    return size.tasks // 2 + key(number, size)


def task(number: int) -> Row:
    return {
        "id": number,
        "title": f"Task {number}: café, 東京",
        "status": STATUSES[number % 3],
        "progress_percent": number % 101,
        "created_at": BEGINNING + timedelta(minutes=number, microseconds=number % 7 * 1000),
        "project_id": number % 10 + 1,
    }


def assignments(number: int, size: Size) -> list[Row]:
    """Give the assignments of a task, in the order of their key."""
    keys = sorted(f"@worker-{(number * 7 + k * 13) % size.workers}" for k in range(number % 5))
    return [{"task_id": number, "worker_id": key, "role": "assignee"} for key in keys]


def project(number: int) -> Row:
    return {"id": number, "name": f"Project {number}"}


def worker(key: str) -> Row:
    return {"id": key, "name": f"Worker {key.removeprefix('@worker-')}"}


def event(number: int, size: Size) -> Row:
    return {"id": number, "at": number * 7919 % size.events, "kind": "note" if number % 2 == 0 else "task"}


def tables(size: Size) -> Iterator[tuple[str, Iterable[Row]]]:
    """Give the tables of the work with their rows, but for the events, which have a database of their own."""
    yield "project", (project(n) for n in range(1, size.projects + 1))
    yield "worker", (worker(f"@worker-{n}") for n in range(size.workers))
    yield "task", (task(n) for n in range(1, size.tasks + 1))
    yield "assignment", (one for n in range(1, size.tasks + 1) for one in assignments(n, size))


def events(size: Size, before: int) -> list[Row]:
    """Give a page of events, the latest first, behind so many others."""
    back = pow(7919, -1, size.events)
    latest = range(size.events - 1 - before, max(size.events - 1 - before - PAGE, -1), -1)
    return [event(at * back % size.events or size.events, size) for at in latest]


def flat(row: Row) -> Row:
    return {name: instant(value) for name, value in row.items() if name != "project_id"}


def full(row: Row, size: Size) -> Row:
    return flat(row) | {
        "project": project(row["project_id"]),
        "assignments": [
            {"role": one["role"], "worker": worker(one["worker_id"])} for one in assignments(row["id"], size)
        ],
    }


def new_task(number: int, size: Size) -> Row:
    """Give the values of a task that is not there yet."""
    row = task(number % size.tasks + 1)
    del row["id"]
    return row | {"created_at": instant(row["created_at"])}


def change(number: int, size: Size) -> Row:
    """Give new values for a task: its progress is always another, so that there is something to store."""
    before = task(changed_key(number, size))["progress_percent"]
    return {"status": STATUSES[number % 3], "progress_percent": (before + 1 + number % 99) % 101}


def bulk(size: Size, **spoiled: Any) -> list[Row]:
    """Give many new tasks; what is spoiled stands in the last of them."""
    rows = [new_task(n, size) for n in range(size.bulk)]
    rows[-1] |= spoiled
    return rows


def body(value: Any) -> bytes:
    """Give a value as a client sends it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def instant(value: Any) -> Any:
    """Write a moment as JSON has it."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def canonical(value: Any) -> Any:
    """Give a JSON value without what may differ: the order of children, and the spelling of a moment."""
    if isinstance(value, list):
        return [canonical(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {name: canonical(one) for name, one in value.items()}
    if isinstance(found.get("assignments"), list):
        found["assignments"].sort(key=lambda one: json.dumps(one, sort_keys=True))
    if isinstance(found.get("created_at"), str):
        found["created_at"] = datetime.fromisoformat(found["created_at"]).isoformat()
    return found


def difference(answer: Any, right: Any) -> str | None:
    """Say what is wrong with an answer, in a few words; None when nothing is."""
    if canonical(answer) == canonical(right):
        return None
    if isinstance(right, list):
        if not isinstance(answer, list):
            return f"not a list of rows, but {_shown(answer)}"
        if len(answer) != len(right):
            return f"{len(answer)} rows instead of {len(right)}"
        pairs = zip(answer, right, strict=True)
        wrong = [(one, other) for one, other in pairs if canonical(one) != canonical(other)]
        found, wanted = (_shown(one) for one in wrong[0])
        return f"{len(wrong)} of {len(right)} rows differ: {found} instead of {wanted}"
    return f"{_shown(answer)} instead of {_shown(right)}"


def _shown(value: Any) -> str:
    text = json.dumps(canonical(value), ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}…"
