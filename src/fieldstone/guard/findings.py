"""What the guard has to say: a fact with its lines, cause and remedy, and the errors that carry it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.orm.exc import DetachedInstanceError

from fieldstone.errors import MistakesFound
from fieldstone.guard.sites import Moment, Site

Kind = Literal[
    "n_plus_one",
    "repeated_query",
    "lazy_load",
    "expired",
    "detached",
    "shared_session",
    "escaped_session",
    "commit_in_helper",
    "blocking_call",
    "lost_write",
    "autocommit_write",
    "table_as_body",
    "leaked_columns",
    "over_budget",
]


@dataclass(frozen=True)
class Finding:
    """One mistake.

    `site` is the user's line where it shows, `cause` the line that led to it: the query that loaded the
    parents, or the commit that expired the object. `remedy` is what to write; `count` how many statements
    it took.
    """

    kind: Kind
    subject: str
    message: str
    remedy: str
    site: Site | None = None
    cause: Site | None = None
    count: int = 1

    def __str__(self) -> str:
        return self.message


class GuardWarning(UserWarning):
    """Say what the guard found, at the line where it shows."""


class LazyLoadInAsync(MistakesFound, MissingGreenlet):
    """Stand in for MissingGreenlet, with the attribute, the line and the remedy."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.finding = findings[0]
        super().__init__(findings)

    code: Any = None  # SQLAlchemy would add an address that explains its own error


class DetachedAccess(MistakesFound, DetachedInstanceError):
    """Stand in for DetachedInstanceError, with the attribute, the line and the remedy."""

    code: Any = None


def said(fact: str, moment: Moment, cause: str, remedy: str) -> str:
    """Put a message together: what happened and where, why, and what to write."""
    code = moment.site.code if moment.site else ""
    shown = f"\n    {code}" if code else ""
    return f"{fact}, at {moment.place}: {cause}. {remedy}{shown}"
