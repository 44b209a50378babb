"""Where Fieldstone does not do what SQLModel's own tests ask for, and why.

This is the whole list. A test that stands here must fail, and every other must pass: a deviation
that is gone must leave the list, and a new one must be explained before it can enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Run = Literal["sqlite", "postgresql"]


@dataclass(frozen=True)
class Deviation:
    """Tests that fail for one reason, and the runs in which they do."""

    reason: str
    runs: tuple[Run, ...]
    tests: tuple[str, ...]


OUT_OF_SCOPE = {
    "tests/test_docs_cleanup.py": "tests a script that tidies SQLModel's repository",
    "tests/test_prepare_release.py": "tests a script that releases SQLModel",
    "tests/test_select_gen.py": "tests a script that generates SQLModel's source",
}

EVERYWHERE: tuple[Run, ...] = ("sqlite", "postgresql")
TUTORIAL = "tests/test_tutorial"
REFRESH = f"{TUTORIAL}/test_automatic_id_none_refresh/test_tutorial001_tutorial002.py"
RELATED = f"{TUTORIAL}/test_relationship_attributes"

DEVIATIONS = (
    Deviation(
        "Asks that an object dumps as {} right after commit, because its values were thrown away. "
        "Ours keeps them: sessions have expire_on_commit=False.",
        runs=EVERYWHERE,
        tests=(
            f"{REFRESH}::test_tutorial_001_tutorial_002[tutorial001]",
            f"{REFRESH}::test_tutorial_001_tutorial_002[tutorial002]",
        ),
    ),
    Deviation(
        "Shows what a missing back_populates costs: moving a hero leaves the old team's list as it was, "
        "until commit throws it away and it is loaded again. With expire_on_commit=False it stays as it "
        "was until session.refresh(team). Two sides that are linked do not differ.",
        runs=EVERYWHERE,
        tests=(f"{RELATED}/test_back_populates/test_tutorial001.py::test_tutorial[tutorial001]",),
    ),
    Deviation(
        "Is about SQLite alone: its column types, its way to declare a key, or the text of its SQL.",
        runs=("postgresql",),
        tests=(
            "tests/test_datetime.py::test_sqlite_explicit_datetime_bypasses_utc_processing[False]",
            "tests/test_datetime.py::test_sqlite_explicit_datetime_bypasses_utc_processing[True]",
            "tests/test_datetime.py::test_existing_sqlite_utc_data",
            "tests/test_nullable.py::test_sqlite_nullable_primary_key",
            f"{TUTORIAL}/test_create_db_and_table/test_tutorial001.py::test_create_db_and_table[tutorial001]",
        ),
    ),
)


def declared(run: str) -> dict[str, str]:
    """Give the reason for each test that deviates in this run."""
    here = [deviation for deviation in DEVIATIONS if run in deviation.runs]
    return {test: deviation.reason for deviation in here for test in deviation.tests}
