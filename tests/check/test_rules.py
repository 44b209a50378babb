"""Each rule speaks where its cases say so, and nowhere else."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from fieldstone.check.checking import Chosen, checked
from fieldstone.check.configuration import NO_CONFIGURATION
from fieldstone.check.findings import Repair
from fieldstone.check.fixing import fixed
from fieldstone.check.project import Project
from fieldstone.check.registry import Rule
from fieldstone.check.rules import rules
from fieldstone.check.running import Options, check
from fieldstone.check.texts import Texts
from fieldstone.check.versions import Versions, versions_of
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


NARROWED = [case for case in ALL if rules()[case.code].calls]


@pytest.mark.parametrize("case", NARROWED[::3], ids=[f"{case.code}: {case.name}" for case in NARROWED[::3]])
def test_the_calls_that_a_rule_names_are_all_that_it_speaks_about(case: Case, tmp_path: Path) -> None:
    case.write(tmp_path)
    texts = Texts(tmp_path)
    paths = [tmp_path / path for path in case.files if path.endswith(".py")]
    project = Project(
        tmp_path,
        (texts.facts(path.relative_to(tmp_path).as_posix()) for path in paths),
        versions_of(tmp_path),
    )
    narrow = rules()[case.code]
    found = [
        [*checked(project, facts, Chosen([rule]), NO_CONFIGURATION)]
        for rule in (narrow, replace(narrow, calls=frozenset()))
        for facts in project.files.values()
    ]
    assert any(found) or not case.expected
    assert found[: len(found) // 2] == found[len(found) // 2 :]


ASKING = [one for one in rules().values() if "at_least(" in Path(inspect.getfile(one.body)).read_text()]


@pytest.mark.parametrize("rule", ASKING, ids=lambda rule: rule.code)
def test_a_rule_that_asks_for_a_version_has_cases_on_both_sides(
    rule: Rule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: dict[tuple[str | int, ...], set[bool | None]] = defaultdict(set)
    original = Versions.at_least

    def asked(self: Versions, library: str, *version: int) -> bool | None:
        answer = original(self, library, *version)
        answers[library, *version].add(answer)
        return answer

    monkeypatch.setattr(Versions, "at_least", asked)
    for number, case in enumerate(case for case in ALL if case.code == rule.code):
        case.write(tmp_path / str(number))
        check([tmp_path / str(number)], Options(select=frozenset({rule.code}), configured=False))
    assert all({True, False} <= given for given in answers.values()), dict(answers)


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


FIXED = [case for case in ALL if case.fixed]


@pytest.mark.parametrize("case", FIXED, ids=[f"{case.code}: {case.name}" for case in FIXED])
def test_a_fix_gives_the_promised_file_and_leaves_nothing_to_fix(case: Case, tmp_path: Path) -> None:
    case.write(tmp_path)
    options = Options(select=frozenset({case.code}), configured=False)
    repair(tmp_path, options)
    assert {path: (tmp_path / path).read_text(encoding="utf-8") for path in case.fixed} == case.fixed
    assert not repair(tmp_path, options), "a second run changes nothing"


def repair(root: Path, options: Options) -> int:
    """Make all fixes, unsafe ones too; tell how many."""
    found = check([root], options).findings
    made = 0
    for path in {finding.path for finding in found}:
        text = (root / path).read_text(encoding="utf-8")
        result = fixed(text, [f for f in found if f.path == path], unsafe=True)
        (root / path).write_text(result.text, encoding="utf-8")
        made += result.made
    return made


def test_every_rule_that_promises_a_fix_has_a_case_for_it() -> None:
    promised = {rule.code for rule in rules().values() if rule.repair is not Repair.NONE}
    assert promised == {case.code for case in FIXED}
