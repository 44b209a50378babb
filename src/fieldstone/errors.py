"""Everything that Fieldstone raises, as one tree.

    FieldstoneError
    ├── ConfigurationError       the set-up is wrong; raised at start-up
    │   ├── UrlError
    │   └── MissingExtra
    ├── DesignError              models and schemas do not fit; raised at import or start-up
    │   ├── ModelError
    │   ├── SchemaError
    │   └── PlanError
    ├── DataError                the caller's data; each leaf has one HTTP status at the edge
    │   ├── InvalidValues        (also a ValueError)
    │   ├── NotFound             (also a LookupError)
    │   ├── MultipleFound        (also a LookupError)
    │   ├── Conflict
    │   ├── OutOfScope
    │   └── StaleVersion
    ├── TransactionError
    │   ├── ReadOnlyTransaction
    │   ├── RolledBack
    │   ├── Unavailable
    │   ├── TransactionConflict
    │   └── CommitOutcomeUnknown
    ├── NotLoaded                (also an AttributeError)
    │   └── NotSent
    └── MistakesFound            what the guard saw; raised where its block ends

An error carries its data as attributes, and its text reads: fact, cause, remedy. The texts of
DataError leaves may be shown to a client: they hold no SQL, no stored value and no secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


class FieldstoneError(Exception):
    """Stand at the root of every error that Fieldstone raises."""


class ConfigurationError(FieldstoneError):
    """Say what about the set-up is wrong, and what to set instead."""


class UrlError(ConfigurationError):
    """Refuse a database URL; the text never holds its password."""


class MissingExtra(ConfigurationError):
    """Name the optional part that is not installed, and the line that installs it."""

    def __init__(self, purpose: str, *, module: str, extra: str) -> None:
        self.module = module
        self.extra = extra
        super().__init__(
            f"{purpose} needs {module!r}, which is not installed. "
            f"Install it with: pip install 'fieldstone[{extra}]'"
        )


class DesignError(FieldstoneError):
    """Say where models and schemas contradict each other, before anything runs."""


class ModelError(DesignError):
    """Refuse a declaration on a model."""


class SchemaError(DesignError):
    """Refuse a schema that contradicts its table."""


class PlanError(DesignError):
    """Refuse a read for which no plan can be made."""


class DataError(FieldstoneError):
    """Stand above every error that the caller's data caused."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one field.

    `path` leads to it from the root of the input, `rule` is a stable machine-readable name
    (Pydantic's error type, or `unique`, `foreign_key`, `not_null`, `check`, `too_long`,
    `out_of_range`, `bad_text` where the database refused), `message` is for people.
    """

    path: tuple[str | int, ...]
    rule: str
    message: str

    @property
    def pointer(self) -> str:
        """Point to the field as a JSON pointer (RFC 6901)."""
        return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in self.path)

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.message}" if self.path else self.message


class InvalidValues(DataError, ValueError):
    """Refuse values that break a rule of their model, schema or table."""

    def __init__(self, subject: str, problems: Sequence[Problem]) -> None:
        self.subject = subject
        self.problems = tuple(problems)
        super().__init__(f"{subject} refuses " + "; ".join(map(str, self.problems)))


class NotFound(DataError, LookupError):
    """Say that no row answers."""

    def __init__(self, subject: str, *, key: object = None) -> None:
        self.subject = subject
        self.key = key
        shown = key[0] if isinstance(key, tuple) and len(key) == 1 else key
        which = "" if key is None else f" with key {shown!r}"
        super().__init__(f"No {subject}{which} was found.")


class MultipleFound(DataError, LookupError):
    """Say that several rows answer where one was asked for."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        super().__init__(
            f"More than one {subject} was found where one was asked for. "
            "Narrow the statement, or use first(...)."
        )


ConflictKind = Literal["unique", "foreign_key", "referenced", "exclusion"]


class Conflict(DataError):
    """Refuse a write that contradicts what is stored.

    `kind` is `unique` (SQLSTATE 23505; another row has the value), `foreign_key` (23503; the
    row that the fields point to does not exist), `referenced` (23503; other rows point
    here) or `exclusion` (23P01). `fields` is empty where the database does not say; `candidates`
    are then those of which it must be one.
    """

    def __init__(
        self,
        subject: str,
        *,
        kind: ConflictKind,
        fields: Sequence[str] = (),
        candidates: Sequence[str] = (),
        other: str | None = None,
        constraint: str | None = None,
    ) -> None:
        self.subject = subject
        self.kind = kind
        self.fields = tuple(fields)
        self.candidates = tuple(candidates)
        self.other = other
        self.constraint = constraint
        named = ", ".join(self.fields) or (f"one of {', '.join(self.candidates)}" if self.candidates else "")
        text, unnamed = _CONFLICTS[kind]
        super().__init__(text.format(subject=subject, fields=named or unnamed, other=other or "a row"))


_CONFLICTS: dict[ConflictKind, tuple[str, str]] = {
    "unique": (
        "{subject} refuses {fields}: another row already has this value. Choose another.",
        "a unique key",
    ),
    "foreign_key": (
        (
            "{subject} refuses {fields}: it points to {other} that does not exist. "
            "Create that first, or send another key."
        ),
        "a foreign key",
    ),
    "referenced": (
        (
            "{subject} cannot be deleted or re-keyed: {other} still points to it. "
            "Remove that first, or declare ondelete on its foreign key."
        ),
        "its key",
    ),
    "exclusion": (
        "{subject} refuses {fields}: it overlaps a stored row. Choose another.",
        "a value",
    ),
}


class OutOfScope(DataError):
    """Refuse a write that would leave a row outside what its session may touch."""

    def __init__(self, subject: str, *, fields: Sequence[str] = ()) -> None:
        self.subject = subject
        self.fields = tuple(fields)
        named = f" {', '.join(self.fields)}" if self.fields else " the change"
        super().__init__(
            f"{subject} refuses{named}: the row would lie outside what may be touched here. "
            "Send values that lie within, or leave them out."
        )


class StaleVersion(DataError):
    """Refuse a write based on a version that is no longer the stored one.

    `version` is what the write named, `current` what is stored; None where it is not known.
    """

    def __init__(
        self, subject: str, *, key: object = None, version: object = None, current: object = None
    ) -> None:
        self.subject = subject
        self.key = key
        self.version = version
        self.current = current
        now = "" if current is None else f": its version is {current} now"
        super().__init__(
            f"{subject} was changed by someone else since it was read{now}. "
            "Read it again, then repeat the change."
        )


class TransactionError(FieldstoneError):
    """Stand above what goes wrong with a transaction rather than with its data."""


class ReadOnlyTransaction(TransactionError):
    """Refuse a write inside a unit that was declared read-only."""


class RolledBack(TransactionError):
    """Say that the transaction ended with an earlier error, so nothing of it is or will be stored."""


class Unavailable(TransactionError):
    """Say that the database cannot be reached, or stayed locked past its time-out."""


class TransactionConflict(TransactionError):
    """Say that a serialization failure or deadlock outlived every retry (SQLSTATE 40001, 40P01)."""


class CommitOutcomeUnknown(TransactionError):
    """Say that the connection was lost during COMMIT, so the work may or may not be stored."""


class NotLoaded(FieldstoneError, AttributeError):
    """Refuse to read what was not loaded, instead of loading it behind the caller's back."""


class NotSent(NotLoaded):
    """Refuse to read a field of a partial schema that its sender left out."""


class MistakesFound(FieldstoneError):
    """Say what the guard saw in a block that it watched; `findings` holds each with its lines."""

    def __init__(self, findings: Sequence[object]) -> None:
        self.findings = tuple(findings)
        texts = [str(finding) for finding in self.findings]
        if len(texts) > 1:
            texts = [f"{len(texts)} mistakes.", *(f"{n}. {text}" for n, text in enumerate(texts, start=1))]
        super().__init__("\n".join(texts))
