"""What can go wrong with migrations, as errors that fit on one screen.

FieldstoneError
└── MigrationError
    ├── MigrationRefused     nothing was done
    │   ├── Undecided        ... because only a person can answer; may be asked and repeated
    │   └── Unrecognised     ... because no revision leaves such tables as the database has
    └── MigrationFailed      a revision failed; says what state the database is in now
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fieldstone.errors import FieldstoneError


class MigrationError(FieldstoneError):
    """Stand above everything that goes wrong with migrations."""


class MigrationRefused(MigrationError):
    """Refuse to begin, because going on could lose data or guess wrong."""


class Undecided(MigrationRefused):
    """Ask what cannot be known: how something was renamed, a value for rows that are there, a time zone.

    `subject` is what the question is about, `choices` are the renames that it may have been.
    """

    def __init__(
        self, text: str, *, kind: Literal["rename", "fill", "zone"], subject: str, choices: Sequence[str] = ()
    ) -> None:
        self.kind = kind
        self.subject = subject
        self.choices = tuple(choices)
        super().__init__(text)


class Unrecognised(MigrationRefused):
    """Say how tables without a history differ from those of the nearest revision."""

    def __init__(self, text: str, *, nearest: str, lacks: Sequence[str], besides: Sequence[str]) -> None:
        self.nearest = nearest
        self.lacks = tuple(lacks)
        self.besides = tuple(besides)
        super().__init__(text)


class MigrationFailed(MigrationError):
    """Say which revision failed, why, where the database stands now, and what to do."""

    def __init__(
        self, *, direction: str, revision: str, title: str, file: str, reason: str, state: str, remedy: str
    ) -> None:
        self.direction = direction
        self.revision = revision
        self.file = file
        self.reason = reason
        self.state = state
        super().__init__(
            f"The {direction} of revision {revision} ({title}) failed: {reason}\n"
            f"  file      {file}\n"
            f"  database  {state}\n"
            f"  next      {remedy}"
        )


def shown(revisions: Sequence[str]) -> str:
    """Name the revisions that a database is at."""
    return ", ".join(sorted(revisions)) or "no revision (nothing has been applied)"
