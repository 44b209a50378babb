"""Trees are kept as long as there is room, and gone when they are let go, with nobody looking for garbage."""

from __future__ import annotations

import ast
import weakref
from pathlib import Path

import pytest

from fieldstone.check import running, shelf
from fieldstone.check.facts import FileFacts
from fieldstone.check.modules import Module
from fieldstone.check.project import Project
from fieldstone.check.running import Options, check
from fieldstone.check.shelf import Shelf
from tests.check.test_cache import project

__all__ = ["project"]


def module(name: str) -> Module:
    facts = FileFacts(name, name, False, "", 1)
    return Module(Project(Path(), [facts]), facts, "x" * 10, ast.Module([], []))


def put(kept: Shelf, *names: str) -> list[str]:
    return [gone.facts.path for name in names for gone in kept.put(module(name))]


def test_what_was_asked_for_first_goes_first() -> None:
    kept = Shelf(30)
    assert put(kept, "a", "b", "c") == []
    assert kept.get("a") is not None
    assert put(kept, "d") == ["b"]


def test_what_waits_for_its_check_stays_and_what_nobody_else_asks_for_goes_after_it() -> None:
    kept = Shelf(30)
    for name in ("waiting", "checked"):
        kept.wait(module(name))
    assert put(kept, "a", "b") == ["a"]
    kept.begin("checked")
    kept.done()
    assert put(kept, "c") == ["checked"]
    assert kept.get("waiting") is not None


def test_what_others_asked_for_is_not_the_first_to_go_after_its_check() -> None:
    kept = Shelf(20)
    kept.wait(module("shared"))
    assert put(kept, "a") == []
    assert kept.get("shared") is not None
    kept.begin("shared")
    kept.done()
    assert put(kept, "b") == ["a"]


def test_trees_that_are_let_go_are_gone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEPT", "LEAST"):
        monkeypatch.setattr(shelf, name, 1)
    parsed: list[weakref.ref[Module]] = []
    alive: list[int] = []
    load, check_one = Module.load, running.check_one

    def loaded(files: Project, facts: FileFacts) -> Module:
        found = load(files, facts)
        parsed.append(weakref.ref(found))
        return found

    def checked(path: str) -> object:
        found = check_one(path)
        alive.append(sum(one() is not None for one in parsed))
        return found

    monkeypatch.setattr(Module, "load", loaded)
    monkeypatch.setattr(running, "check_one", checked)
    check([project], Options(select=frozenset({"ALL"}), preview=True, jobs=1))
    assert len(parsed) > len(alive) > 1
    assert max(alive) == 1
