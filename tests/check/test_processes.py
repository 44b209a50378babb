"""Work that is spread over processes gives what one process would give."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstone.check.processes import PARCEL, Team
from fieldstone.check.running import Options, check
from fieldstone.errors import Unavailable

HELD: list[int] = []


def hold(number: int) -> None:
    HELD[:] = [number]


def added(item: int) -> tuple[int, int]:
    return item + HELD[0], os.getpid()


def refused(item: int) -> int:
    if item == 3 * PARCEL:
        raise LookupError("there is no such item")
    return item


def ended(item: int) -> int:
    if item == 3 * PARCEL:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


@pytest.fixture
def team() -> Iterator[Team]:
    processes = Team(2)
    yield processes
    processes.dismiss()


def test_results_come_in_order_and_items_return_to_the_process_that_knows_them(team: Team) -> None:
    items = list(range(20 * PARCEL))
    team.prepare(len(items), hold, 1)
    first = list(team.spread(added, items))
    assert [one for one, _ in first] == [item + 1 for item in items]
    assert len({process for _, process in first} - {os.getpid()}) == 2
    assert team.homes.keys() == set(items)
    known = [item for item in items if team.homes[item] == 0][:PARCEL]
    team.prepare(len(known), hold, 2)
    assert [one for one, _ in team.spread(added, known)] == [item + 2 for item in known]


def test_few_items_are_done_here(team: Team) -> None:
    team.prepare(3, hold, 1)
    assert list(team.spread(added, [1, 2, 3])) == [(item, os.getpid()) for item in (2, 3, 4)]
    assert not team.members


def test_what_a_process_raises_is_raised(team: Team) -> None:
    team.prepare(20 * PARCEL, hold, 1)
    with pytest.raises(LookupError, match="there is no such item"):
        list(team.spread(refused, range(20 * PARCEL)))


def test_a_process_that_is_ended_from_outside_is_told_of(team: Team) -> None:
    team.prepare(20 * PARCEL, hold, 1)
    with pytest.raises(Unavailable, match=r"ended from outside \(exit code -9\), mostly for want of memory"):
        list(team.spread(ended, range(20 * PARCEL)))


def test_several_processes_find_what_one_finds(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    for number in range(150):
        text = (
            f"from sqlmodel import SQLModel\n\n\nclass Part{number}(SQLModel, table=True):\n    name: str\n"
        )
        (tmp_path / f"part{number}.py").write_text(text)
    several = check([tmp_path], Options(jobs=2)).findings
    assert len(several) == 150
    assert several == check([tmp_path], Options(jobs=1)).findings
