"""The version that a write is based on: compared before the write, and by the write itself.

The comparison beforehand says what is wrong while the transaction is still whole. Between it and the
write another transaction may commit; then the counter in the WHERE of the UPDATE or DELETE matches
no row, and nothing is written either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from sqlmodel import SQLModel

from fieldstone.errors import ModelError, StaleVersion
from fieldstone.keys import version_name

Version = int | str | Collection[int] | Collection[str]


@contextmanager
def based_on(instance: SQLModel, key: Any, version: Version | None) -> Iterator[None]:
    """Refuse a write of the block that is not based on the stored version; None allows any."""
    if version is None:
        yield
        return
    subject, current = type(instance).__name__, _version_of(instance)
    if not _names(version, current):
        raise StaleVersion(subject, key=key, version=version, current=current)
    try:
        yield
    except StaleVersion as error:
        if error.subject != subject:
            raise
        raise StaleVersion(error.subject, key=key, version=version) from error


def _version_of(instance: SQLModel) -> Any:
    model = type(instance)
    name = version_name(model)
    if name is None:
        raise ModelError(
            f"{model.__name__} keeps no version, so version= cannot be checked. "
            f"Derive it from Versioned: class {model.__name__}(..., Versioned, table=True)."
        )
    return getattr(instance, name)


def _names(version: Version, current: Any) -> bool:
    """Compare as text as well: a version that comes from a header or a form is one."""
    accepted = version if isinstance(version, Collection) and not isinstance(version, str) else (version,)
    return current in accepted or str(current) in accepted
