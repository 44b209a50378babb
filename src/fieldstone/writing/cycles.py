"""Refuse a row that would stand below itself, in the flush that would put it there.

The check follows the stored parents upwards from each row that got another parent, after the flush
has written them: so it sees what a patch, an assignment and a list of children did, all at once. A
new row costs nothing, since nothing can stand below it yet.

Two transactions could each make half of a cycle, both blind to the other. On SQLite only one writes
at a time. On PostgreSQL moves within one table take turns, by an advisory lock that the transaction
holds to its end; a table's moves are rare and short, while locking the ancestors' rows would deadlock
in the very case it is for. A transaction that reads an older snapshot (REPEATABLE READ) takes the
ancestors' rows as well, and PostgreSQL refuses it one that has changed since.

Statements that skip the instances (`update(Task)`) are not looked at; who writes so by a verb calls
`refuse_moved` afterwards.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import CTE, Connection, Integer, Select, event, func, literal, select
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.orm import Session

from fieldstone.branches import Branch, branches_of, columns_of, equal, upwards
from fieldstone.cache import cached
from fieldstone.errors import InvalidValues, Problem
from fieldstone.keys import among, batched, key_attributes, key_names
from fieldstone.listeners import idle_at_plain_writes
from fieldstone.models import Model

Key = tuple[Any, ...]

Statement = Select[*tuple[Any, ...]]

# Any number serves, as long as all who move rows agree on it.
_MOVES = 0x74726565


def refuse_cycles() -> None:
    """Look at every flush, of the sync sessions and of those inside async ones."""
    event.listen(Session, "before_flush", _before_flush)
    event.listen(Session, "after_flush", _after_flush)


def has_trees(model: type[Any]) -> bool:
    """Tell whether a row of the model could be given a parent that stands below it."""
    return bool(_guarded(model))


def moves(model: type[Any], values: Mapping[str, Any]) -> bool:
    """Tell whether these values give a row a parent that may stand below it."""
    return any(all(values.get(name) is not None for name in branch.up) for branch in _guarded(model))


def refuse_moved(session: Session, model: type[Any], keys: Sequence[Key]) -> None:
    """Refuse a cycle through the rows with these primary keys, which a statement has just written."""
    for branch in _guarded(model):
        found = list(keys)
        if branch.key != key_names(model):
            named = [getattr(model, name) for name in branch.key]
            held = select(*named).where(among(key_attributes(model), found))
            found = [tuple(row) for row in session.execute(held)]
        if found and _finds_cycle(session.connection(bind_arguments={"mapper": model}), branch, found):
            raise _refusal(model, branch)


@idle_at_plain_writes
def _before_flush(session: Session, context: Any, instances: Any) -> None:
    """Refuse what is a cycle in memory already: SQLAlchemy could not find an order to write it in."""
    for instance in (*session.new, *session.dirty):
        for branch in _guarded(type(instance)):
            if any(_returns(instance, branch, name) for name in branch.parents):
                raise _refusal(type(instance), branch)


@idle_at_plain_writes
def _after_flush(session: Session, context: Any) -> None:
    """Refuse what the flush has made a cycle in the database."""
    moved: dict[Branch, list[Key]] = {}
    models: dict[Branch, type[Any]] = {}
    for instance in (*session.new, *session.dirty):
        for branch in _guarded(type(instance)):
            if _is_moved(session, instance, branch):
                moved.setdefault(branch, []).append(_values(instance, branch.key))
                models.setdefault(branch, type(instance))
    for branch, keys in moved.items():
        if _finds_cycle(session.connection(bind_arguments={"mapper": models[branch]}), branch, keys):
            raise _refusal(models[branch], branch)


@cached
def _guarded(model: type[Any]) -> tuple[Branch, ...]:
    if not issubclass(model, Model):
        return ()
    return tuple(branch for branch in branches_of(model) if branch.acyclic)


def _refusal(model: type[Any], branch: Branch) -> InvalidValues:
    message = f"would put a {model.__name__} below itself. Choose one that is not below it"
    return InvalidValues(model.__name__, [Problem((name,), "cycle", message) for name in branch.up])


# In memory


def _returns(instance: Any, branch: Branch, name: str) -> bool:
    """Follow a parent that was just assigned, as far as parents are loaded."""
    if name not in vars(instance) or not _changed(instance, name):
        return False
    seen: set[int] = set()
    above = vars(instance)[name]
    while above is not None and id(above) not in seen and above is not instance:
        seen.add(id(above))
        above = None if _is_outdated(above, branch, name) else vars(above).get(name)
    return above is instance


def _is_outdated(instance: Any, branch: Branch, name: str) -> bool:
    """Whether the foreign key was assigned past the loaded parent."""
    return any(_changed(instance, column) for column in branch.up) and not _changed(instance, name)


def _changed(instance: Any, name: str) -> bool:
    return bool(sa_inspect(instance).attrs[name].history.has_changes())


def _is_moved(session: Session, instance: Any, branch: Branch) -> bool:
    """Whether a row got a parent that may stand below it."""
    above = _values(instance, branch.up)
    if None in above or not any(_changed(instance, name) for name in branch.up):
        return False
    is_new = instance in session.new
    return not is_new or branch.deferrable or above == _values(instance, branch.key)


def _values(instance: Any, names: Iterable[str]) -> Key:
    return tuple(vars(instance).get(name) for name in names)


# In the database


def _finds_cycle(connection: Connection, branch: Branch, keys: list[Key]) -> bool:
    is_snapshot = _take_turns(connection, branch)
    for path in _paths(branch, keys):
        if is_snapshot:
            connection.execute(_hold(branch, path))
        if connection.execute(_below_itself(branch, path)).first() is not None:
            return True
    return False


def _take_turns(connection: Connection, branch: Branch) -> bool:
    """Wait for others that move rows of the table; say whether this transaction may see an older state."""
    if connection.dialect.name != "postgresql":
        return False
    number = zlib.crc32(branch.table.fullname.encode()) - 2**31
    lock = func.pg_advisory_xact_lock(literal(_MOVES, Integer), literal(number, Integer))
    isolation = connection.execute(select(lock, func.current_setting("transaction_isolation"))).one()[1]
    return bool(isolation != "read committed")


def _paths(branch: Branch, keys: list[Key]) -> Iterator[CTE]:
    for part in batched(keys, len(branch.pairs)):
        start = branch.table.alias()
        yield upwards(branch, start, among(branch.key_of(start), part))


def _below_itself(branch: Branch, path: CTE) -> Statement:
    own, above = columns_of(path, "own", branch), columns_of(path, "above", branch)
    return select(literal(1)).where(equal(own, above)).limit(1)


def _hold(branch: Branch, path: CTE) -> Statement:
    """Lock the rows above, which fails where one is no longer what this transaction sees."""
    keys = [column for _, column in branch.pairs]
    above = select(*columns_of(path, "above", branch))
    return select(*keys).where(among(keys, above)).with_for_update(read=True)
