"""From what rows were and became to the entries that say so; writing them is the last step.

Values are kept as Pydantic's JSON mode gives them, so that an entry can be read without the model
of its time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy import insert
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import Session as SQLAlchemySession

from fieldstone.errors import ConfigurationError
from fieldstone.history.actors import current_actor
from fieldstone.history.audits import Audit
from fieldstone.history.entries import Action, key_text
from fieldstone.models.fields import now, uuid7

Values = Mapping[str, Any]
Changes = dict[str, dict[str, Any]]

_MASKED = {"masked": True}


def created(audit: Audit, values: Values) -> Changes:
    """Say what a new row holds; what is null was not set."""
    return _between(audit, dict.fromkeys(values), values)


def deleted(audit: Audit, values: Values) -> Changes:
    """Say what a row held."""
    return _between(audit, values, dict.fromkeys(values))


def changed(audit: Audit, old: Values, new: Values) -> Changes:
    """Say what became of a row, as far as both sides are known."""
    return _between(audit, old, new)


def _between(audit: Audit, old: Values, new: Values) -> Changes:
    found: Changes = {}
    for name in audit.columns:
        if name not in old or name not in new:
            continue
        before, after = as_json(old[name]), as_json(new[name])
        if before != after:
            found[name] = _MASKED if name in audit.masked else {"old": before, "new": after}
    return found


def as_json(value: Any) -> Any:
    """Give a value as JSON; text for what JSON has no form for."""
    return to_jsonable_python(value, bytes_mode="base64", inf_nan_mode="strings", fallback=str)


@dataclass
class Journal:
    """The entries of one flush or one statement: one for each row that it changed."""

    entries: dict[tuple[str, str], tuple[Audit, Action, Changes]] = field(default_factory=dict)

    def note(self, audit: Audit, action: Action, key: Sequence[Any], changes: Changes) -> None:
        """Add an entry; tables that share a row by inheritance share its entry."""
        place = (audit.name, key_text(key))
        known = self.entries.get(place)
        if known is not None and known[1] == action:
            changes = {**changes, **known[2]}
        if (known is None or known[1] == action) and (changes or action != "changed"):
            self.entries[place] = (audit, action, changes)

    def write(self, session: SQLAlchemySession) -> None:
        """Insert the entries: one statement, in the transaction of what they tell about."""
        actor, rows = current_actor(), dict[type[Any], list[dict[str, Any]]]()
        for (model, key), (audit, noted, changes) in self.entries.items():
            action = _meant(audit, noted, changes)
            if actor is None and audit.actor_required:
                raise _without_actor(audit, action)
            rows.setdefault(audit.history, []).append(
                {
                    "id": uuid7(),
                    "at": now(),
                    "actor": None if actor is None else actor.id,
                    "actor_kind": None if actor is None else actor.kind,
                    "action": action,
                    "model": model,
                    "key": key,
                    "changes": changes,
                }
            )
        for history, values in rows.items():
            mapper = sa_inspect(history)
            session.connection(bind_arguments={"mapper": mapper}).execute(insert(mapper.local_table), values)


def _meant(audit: Audit, action: Action, changes: Changes) -> Action:
    """Say what a change is to people: setting the mark of a SoftDeleted model is a deletion."""
    mark = changes.get(getattr(audit.model, "__deletion_field__", ""))
    if action != "changed" or mark is None:
        return action
    return "restored" if mark.get("new") is None else "deleted"


def _without_actor(audit: Audit, action: Action) -> ConfigurationError:
    return ConfigurationError(
        f"{audit.model.__name__} is not {action} by nobody: it says __actor_required__, and no actor is "
        "known here. Wrap the work in: with acting(...)."
    )
