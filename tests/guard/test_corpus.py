"""Every mistake of the corpus is found, at its line and with its remedy, and nothing else is.

The same programs run on the oldest SQLAlchemy that the guard watches, in a process of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fieldstone.testing.lending import Lender
from fieldstone.testing.templates import EMPTY
from tests.faces import DIALECTS
from tests.guard.corpus import awaiting, loading, serving, transactions
from tests.guard.corpus.cases import CASES, Case
from tests.guard.corpus.running import Bench, mistakes

ROOT = Path(__file__).parent.parent.parent
OLDER = ROOT / ".venv" / "sqlalchemy20"
PROGRAMS = (awaiting, loading, serving, transactions)


@pytest.fixture(scope="module", params=DIALECTS)
def bench(request: pytest.FixtureRequest, fieldstone_lender: Lender) -> Iterator[Bench]:
    with fieldstone_lender.templates(request.param).lend(EMPTY) as url:
        bench = Bench(url)
        yield bench
        bench.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_program_is_judged_as_it_should_be(bench: Bench, case: Case) -> None:
    assert not mistakes(case, bench.run(case))


def test_the_corpus_is_large_and_half_of_it_is_fine() -> None:
    traps = [case for case in CASES if case.kind is not None]
    assert len(traps) >= 30
    assert len(CASES) - len(traps) >= 30
    assert all(case.line("# trap") for case in traps)
    assert {case.program.__module__ for case in CASES} == {module.__name__ for module in PROGRAMS}


def test_all_are_judged_alike_on_an_older_sqlalchemy(fieldstone_lender: Lender) -> None:
    if not OLDER.exists():
        pytest.skip(f"{OLDER} was not installed: the guard is NOT tested on SQLAlchemy 2.0")
    with ExitStack() as lent:
        lending = [fieldstone_lender.templates(dialect).lend(EMPTY) for dialect in DIALECTS]
        urls = [lent.enter_context(one) for one in lending]
        done = subprocess.run(
            [sys.executable, "-m", "tests.guard.corpus", *urls],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(OLDER)},
            timeout=240,
        )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["version"].startswith("2.0.")
    assert report["cases"] == len(CASES)
    assert not report["wrong"], "\n".join(report["wrong"])
