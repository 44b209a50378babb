"""What is dangerous about an operation on a database that is in use, and the form that is not.

Each rule is one small function over one kind of operation, in table_dangers.py and
constraint_dangers.py. `why` says what happens to whom, `safe` is ready to paste. Sources: the
PostgreSQL documentation ("ALTER TABLE", "Explicit Locking"), the READMEs of strong_migrations and
django-pg-zero-downtime-migrations, and the rules of squawk.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Danger:
    """A rule that was broken: what was done, what that does, and what to write instead."""

    rule: str
    what: str
    why: str
    safe: str


def rewriting(rule: str, what: str, safe: str) -> Danger:
    """Say what PostgreSQL does when a change cannot be made in place."""
    why = "PostgreSQL writes the whole table anew, and nobody can read or write it until that is done."
    return Danger(rule, what, why, safe)
