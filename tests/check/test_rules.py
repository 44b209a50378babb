"""Each rule speaks where its cases say so, and nowhere else."""

from __future__ import annotations

import ast
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from fieldstone.check.registry import Rule
from fieldstone.check.rules import rules
from fieldstone.check.running import Options, check
from tests.check.cases import Case, cases

ALL = list(cases())
FEWEST = 6


@pytest.mark.parametrize("case", ALL, ids=[f"{case.code}: {case.name}" for case in ALL])
def test_a_rule_speaks_on_the_marked_lines_and_on_no_other(case: Case, tmp_path: Path) -> None:
    case.write(tmp_path)
    report = check([tmp_path], Options(select=frozenset({case.code, "FS000"}), configured=False))
    assert {(found.path, found.line) for found in report.findings} == case.expected
    assert all(found.message.endswith(".") and found.remedy.endswith(".") for found in report.findings)


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.code)
def test_every_rule_has_enough_cases_of_both_kinds(rule: Rule) -> None:
    mine = [case for case in ALL if case.code == rule.code]
    kinds = Counter(bool(case.expected) for case in mine)
    assert len(mine) >= FEWEST, f"{rule.code} has {len(mine)} cases; {FEWEST} are the least."
    assert kinds[True], f"{rule.code} has no case in which it speaks."
    assert kinds[False], f"{rule.code} has no case in which it stays silent."


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.code)
def test_the_examples_of_every_rule_are_python(rule: Rule) -> None:
    for example in (rule.bad, rule.good):
        ast.parse("async def example():\n" + textwrap.indent(repaired(example), "    "))


def repaired(example: str) -> str:
    """Give an `except` the `try` that an example leaves out."""
    opened = example.replace("\n...\nexcept", "\ntry:\n    ...\nexcept")
    return f"try:\n    ...\n{example}" if example.startswith("except") else opened


def test_cases_belong_to_rules() -> None:
    assert {case.code for case in ALL} <= set(rules())
