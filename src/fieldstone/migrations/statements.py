"""What is dangerous in SQL that a revision executes as text.

Our own rules are few and look for words; squawk, where it is installed (`fieldstone[lint]`), reads
the statement itself and adds what they do not know. Its rules of taste are left out.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from fieldstone.migrations.dangers import Danger
from fieldstone.migrations.failures import MigrationRefused

_LOCKED = "Nobody can read or write the table until it is done."

_WORDS: tuple[tuple[str, str, str, str], ...] = (
    (
        r"\bTRUNCATE\b",
        "truncate",
        "All rows are lost, and no downgrade brings them back.",
        "DELETE ... WHERE ...",
    ),
    (r"\bDROP\s+TABLE\b", "drop-table", "All its rows are lost.", "See `op.drop_table` in docs/migrate.md."),
    (
        r"\bDROP\s+COLUMN\b",
        "drop-column",
        "Its values are lost, and the running version still names it.",
        "Release first.",
    ),
    (
        r"\bRENAME\s+(?:COLUMN\s+)?\S+\s+TO\b|\bRENAME\s+TO\b",
        "rename",
        "The running version knows the old name.",
        "Release first.",
    ),
    (
        r"\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY)",
        "create-index",
        "Nobody can write to the table until the index is built.",
        "steps.create_index(...)  # in a revision of its own",
    ),
    (
        r"\bDROP\s+INDEX\s+(?!CONCURRENTLY)",
        "drop-index",
        "It waits for everybody who reads the table, and everybody else waits behind it.",
        "steps.drop_index(...)  # in a revision of its own",
    ),
    (
        r"\bADD\s+CONSTRAINT\b(?!.*\bNOT\s+VALID\b)(?!.*\bUSING\s+INDEX\b)",
        "add-constraint",
        "Nobody can write to the table until all its rows were read.",
        "ALTER TABLE ... ADD CONSTRAINT ... NOT VALID;  -- and later: steps.validate(...)",
    ),
    (r"\bSET\s+NOT\s+NULL\b", "set-not-null", _LOCKED, "steps.set_not_null(...)  # in a revision of its own"),
    (
        r"\bALTER\s+(?:COLUMN\s+)?\S+\s+(?:SET\s+DATA\s+)?TYPE\b",
        "change-type",
        "PostgreSQL writes the whole table anew. " + _LOCKED,
        "Add a new column and fill it with steps.backfill(...).",
    ),
    (
        r"\bVACUUM\s+FULL\b|\bCLUSTER\b",
        "rewrite",
        "The whole table is written anew. " + _LOCKED,
        "VACUUM, or pg_repack.",
    ),
    (r"\bREINDEX\b(?!.*\bCONCURRENTLY\b)", "reindex", _LOCKED, "REINDEX INDEX CONCURRENTLY ..."),
    (r"\bLOCK\s+TABLE\b", "lock-table", _LOCKED, "Let each statement take the lock that it needs."),
)

_EVERYWHERE = {"truncate", "drop-table", "drop-column", "rename", "update-all"}


def dangers_of(sql: str, dialect: str) -> Iterator[Danger]:
    """Yield what is dangerous in a statement, for users of one kind of database."""
    plain = re.sub(r"--[^\n]*|/\*.*?\*/", " ", sql, flags=re.DOTALL)
    plain = " ".join(re.sub(r"'(?:[^']|'')*'", "''", plain).split())
    found = list(_by_words(plain, dialect))
    yield from found
    if dialect == "postgresql" and not found:
        yield from by_squawk(sql)


def _by_words(plain: str, dialect: str) -> Iterator[Danger]:
    for words, rule, why, safe in _WORDS:
        if (dialect == "postgresql" or rule in _EVERYWHERE) and re.search(words, plain, re.IGNORECASE):
            yield Danger(rule, f"executes {_short(plain)}", why, safe)
    change = re.match(r"(UPDATE|DELETE)\b", plain, re.IGNORECASE)
    if change and not re.search(r"\bWHERE\b", plain, re.IGNORECASE):
        yield Danger(
            "update-all",
            f"executes {_short(plain)}",
            "Every row is locked until the revision is committed, and with PostgreSQL the table "
            "doubles in size.",
            "steps.backfill('table', 'column', 'value')  # in batches, in a revision of its own",
        )


def _short(plain: str) -> str:
    return plain if len(plain) <= 70 else f"{plain[:67]}..."


# What squawk adds

_TASTE = (
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-robust-stmts",
    "prefer-text-field",
    "prefer-timestamptz",
    "require-lock-timeout",
    "require-statement-timeout",
)


def squawk() -> str | None:
    """Find the program squawk: in the environment of this Python, or on PATH."""
    beside = Path(sys.executable).with_name("squawk")
    return str(beside) if beside.is_file() else shutil.which("squawk")


def by_squawk(sql: str) -> Iterator[Danger]:
    """Yield what squawk finds in a statement; nothing where it is not installed."""
    program = squawk()
    if program is None:
        return
    statement = sql.rstrip().removesuffix(";") + ";\n"
    done = subprocess.run(
        [program, "--reporter", "json", "--exclude", ",".join(_TASTE), "--stdin-filepath", "revision.sql"],
        input=statement,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found = json.loads(done.stdout or "[]")
    except ValueError:
        raise MigrationRefused(
            f"squawk did not understand or was not understood: {done.stderr[:300]}"
        ) from None
    for each in found:
        what = f"executes {_short(' '.join(sql.split()))}"
        yield Danger(
            str(each["rule_name"]), what, str(each["message"]), str(each.get("help") or "See squawkhq.com.")
        )
