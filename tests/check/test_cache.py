"""A second run gives what a fresh one would, whatever changed in between."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fieldstone.check import running
from fieldstone.check.running import Options, check
from tests.check.cases import Case, cases

SPEAKING = [case for case in cases() if case.expected][::4]


def checked(root: Path, cached: bool = True) -> list[str]:
    found = check([root], Options(select=frozenset({"ALL"}), preview=True, cached=cached, jobs=1)).findings
    return [f"{one.path}:{one.span} {one.code} {one.message} {one.remedy} {one.fix}" for one in found]


@pytest.mark.parametrize("case", SPEAKING, ids=[f"{case.code}: {case.name}" for case in SPEAKING])
def test_the_second_run_finds_the_same(case: Case, tmp_path: Path) -> None:
    case.write(tmp_path)
    first = checked(tmp_path)
    assert checked(tmp_path) == first == checked(tmp_path, cached=False)


DB = """\
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

maker = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"), expire_on_commit=False)
"""
HELPER = """\
from db import maker
from models import Task


async def find(session, key):
    return await session.get(Task, key)
"""
MODELS = """\
from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str = ""
"""
WORK = """\
from db import maker
from helper import find


async def work():
    async with maker() as session:
        task = await find(session, 1)
        await session.commit()
        return task.title
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {"db": DB, "helper": HELPER, "models": MODELS, "work": WORK}.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "pyproject.toml").write_text("")
    return tmp_path


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    paths: list[str] = []
    original = running.check_one

    def remembered(path: str) -> object:
        paths.append(path)
        return original(path)

    monkeypatch.setattr(running, "check_one", remembered)
    return paths


def test_only_what_follows_from_a_change_is_looked_at_again(project: Path, looked_at: list[str]) -> None:
    assert checked(project) == []
    looked_at.clear()
    assert checked(project) == []
    assert looked_at == []
    (project / "work.py").write_text(WORK + "\n# a comment\n")
    checked(project)
    assert looked_at == ["work.py"]


@pytest.mark.parametrize(
    ("text", "looked"),
    [
        (f"# said\n\n{HELPER}", ["helper.py"]),
        (HELPER.replace("    return", "    assert key\n    return"), ["helper.py", "work.py"]),
    ],
)
def test_a_comment_concerns_no_other_file_and_a_statement_those_that_call(
    project: Path, looked_at: list[str], text: str, looked: list[str]
) -> None:
    checked(project)
    looked_at.clear()
    (project / "helper.py").write_text(text)
    assert checked(project) == []
    assert looked_at == looked


def test_who_was_not_asked_for_meanwhile_is_judged_again(project: Path, looked_at: list[str]) -> None:
    checked(project)
    (project / "helper.py").write_text(HELPER.replace("    return", "    assert key\n    return"))
    check([project / "helper.py"], Options(select=frozenset({"ALL"}), preview=True, cached=True, jobs=1))
    looked_at.clear()
    checked(project)
    assert looked_at == ["work.py"]


BASE = """\
class Service:
    def find(self):
        return 1
"""
SPECIAL = """\
from base import Service


class Special(Service):
    def other(self):
        return 2
"""
USE = """\
from base import Service


async def work(service: Service, session):
    service.find()
    await session.commit()
"""


@pytest.mark.parametrize(
    ("text", "looked"),
    [
        (SPECIAL.replace("2", "3"), {"special.py"}),
        (SPECIAL.replace("def other", "async def find"), {"special.py", "use.py"}),
    ],
    ids=["the body of a method", "a method"],
)
def test_of_classes_below_only_the_methods_concern_who_calls_those_above(
    tmp_path: Path, looked_at: list[str], text: str, looked: set[str]
) -> None:
    for name, source in {"base": BASE, "special": SPECIAL, "use": USE}.items():
        (tmp_path / f"{name}.py").write_text(source)
    (tmp_path / "pyproject.toml").write_text("")
    checked(tmp_path)
    looked_at.clear()
    (tmp_path / "special.py").write_text(text)
    checked(tmp_path)
    assert set(looked_at) == looked


@pytest.mark.parametrize(
    ("name", "text", "spoken"),
    [
        ("db", DB.replace(", expire_on_commit=False", ""), {"FS101", "FS204"}),
        (
            "helper",
            HELPER.replace("return await", "found = await").rstrip() + "\n    return found.id\n",
            set(),
        ),
    ],
)
def test_a_change_elsewhere_is_noticed(project: Path, name: str, text: str, spoken: set[str]) -> None:
    checked(project)
    (project / f"{name}.py").write_text(text)
    found = checked(project)
    assert found == checked(project, cached=False)
    assert set(re.findall(r" (FS\d+) ", "\n".join(found))) == spoken


SQLITE = """\
from sqlalchemy import create_engine

engine = create_engine("sqlite:///app.db")
"""
LISTENING = """\
from sqlalchemy import event


@event.listens_for(object, "connect")
def connected(connection, record): ...
"""


@pytest.mark.parametrize("line", ["# PRAGMA foreign_keys\n", "PRAGMA = 'foreign_keys'\n"])
def test_a_word_that_is_looked_for_elsewhere_is_noticed_where_it_counts(tmp_path: Path, line: str) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "engines.py").write_text(SQLITE)
    (tmp_path / "listening.py").write_text(LISTENING)
    found = checked(tmp_path)
    assert "FS109" in "\n".join(found)
    (tmp_path / "listening.py").write_text(LISTENING + line)
    after = checked(tmp_path)
    assert after == checked(tmp_path, cached=False) == (found if line.startswith("#") else [])


def test_another_process_uses_what_one_has_learnt(project: Path) -> None:
    (project / "requirements.txt").write_text("sqlmodel==0.0.24\nsqlalchemy==2.0.40\nfastapi\nasyncpg\n")
    (project / "pyproject.toml").write_text(
        '[tool.fieldstone.check]\nignore = ["FS1", "FS2", "FS3", "FS4"]\n'
    )
    kept = project / ".fieldstone_cache" / "check.json"
    stamps = set()
    for seed in "12345":
        command = [sys.executable, "-c", "from fieldstone.cli import main; main()", "check", str(project)]
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True)
        stamps.add((kept.stat().st_mtime_ns, kept.stat().st_ino))
    assert len(stamps) == 1, "the cache was written anew"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 1}', '{"key": "x", "files": []}'])
def test_a_broken_cache_counts_as_none(project: Path, text: str) -> None:
    first = checked(project)
    (project / ".fieldstone_cache" / "check.json").write_text(text)
    assert checked(project) == first


def test_broken_entries_count_as_none(project: Path) -> None:
    first = checked(project)
    file = project / ".fieldstone_cache" / "check.json"
    kept = json.loads(file.read_text())
    for number, entry in enumerate(kept["files"].values()):
        entry.pop(["facts", "findings", "judged_by", "stamp"][number % 4])
    file.write_text(json.dumps(kept))
    assert checked(project) == first
