"""What members of Literals and enums that go, come and are renamed mean for the rows that hold them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alembic.operations import ops
from sqlalchemy import CheckConstraint, Connection, Enum

from fieldstone.migrations import canonical
from fieldstone.migrations.arranging import Answers, Key, Step
from fieldstone.migrations.failures import Undecided
from fieldstone.migrations.filling import quoted
from fieldstone.models.columns import EnumByValue


def refuse_lost_members(changes: Iterable[Any], table: str, connection: Connection, answers: Answers) -> None:
    """Ask whether a member that goes was renamed, where another comes: rows may hold it."""
    old: dict[str, tuple[str, list[str]]] = {}
    new: dict[str, tuple[str, list[str]]] = {}
    for change in changes:
        if isinstance(change, ops.DropConstraintOp | ops.CreateCheckConstraintOp):
            constraint = change.to_constraint()
            listed = _listed(constraint, connection) if isinstance(constraint, CheckConstraint) else None
            if listed is not None:
                name = str(canonical.constraint_name(constraint, connection))
                (old if isinstance(change, ops.DropConstraintOp) else new)[name] = listed
    for name in sorted(old.keys() & new.keys()):
        column = f"{table}.{old[name][0]}"
        renamed = answers.renamed_values.get(column, {})
        come = [each for each in new[name][1] if each not in old[name][1] and each not in renamed.values()]
        for member in old[name][1]:
            lost = member not in new[name][1] and member not in renamed
            if lost and come and f"{column}:{member}" not in answers.drop:
                raise _lost_member(column, member, come)


def _listed(constraint: CheckConstraint, connection: Connection) -> tuple[str, list[str]] | None:
    found = re.fullmatch(r"\(*\"?(\w+)\"? IN \((.*)\)\)*", canonical.condition(constraint, connection))
    return None if found is None else (found[1], re.findall(r"'((?:[^']|'')*)'", found[2]))


def _lost_member(column: str, member: str, come: Sequence[str]) -> Undecided:
    choices = [f"{column}:{member}={each}" for each in come]
    lines = "\n".join(f"  --rename-value {each}" for each in choices)
    return Undecided(
        f"{column} loses the value {member!r} and gets another, and rows may hold it. If it was renamed, say "
        f"so:\n{lines}\nor, if no row holds it:\n  --drop {column}:{member}",
        kind="rename",
        subject=f"{column}:{member}",
        choices=choices,
    )


def names_of_values(old: Any, new: Any) -> dict[str, str]:
    """Map names to values where a native enum, which stores names, becomes text that stores values."""
    if not isinstance(new, EnumByValue) or not isinstance(old, Enum):
        return {}
    names = {member.name: str(member.value) for member in new.enum}
    known = set(old.enums) <= names.keys()
    return {name: value for name, value in names.items() if name != value} if known else {}


def renaming_values(key: Key, column: str, renamed: Mapping[str, str]) -> Step:
    """Rename values in the rows, all at once, so that two may swap."""
    back = {new: old for old, new in renamed.items()}
    return Step(_update(key[1], column, renamed), _update(key[1], column, back))


def _update(table: str, column: str, renamed: Mapping[str, str]) -> ops.ExecuteSQLOp:
    cases = " ".join(f"WHEN {quoted(old)} THEN {quoted(new)}" for old, new in renamed.items())
    those = ", ".join(quoted(old) for old in renamed)
    return ops.ExecuteSQLOp(
        f'UPDATE "{table}" SET "{column}" = CASE "{column}" {cases} END '  # noqa: S608  # what a revision is to say
        f'WHERE "{column}" IN ({those})'
    )
