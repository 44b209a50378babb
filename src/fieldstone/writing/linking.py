"""The verbs that write many-to-many links: which rows belong together, and what is said about each pair.

Links are written by statements of their own, not through collections: that takes no reading before,
and a repeated link is no error (ON CONFLICT). What the session has loaded of them is read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlmodel import Session, SQLModel

from fieldstone.errors import Conflict, NotFound, PlanError
from fieldstone.keys import among, batched, key_attributes, key_values
from fieldstone.scopes import is_limited, scope_of
from fieldstone.verbs import verb
from fieldstone.violations import explained
from fieldstone.writing.links import Key, Links, Targets, links_of


@verb
def link(session: Session, model: type[SQLModel], key: Any, name: str, targets: Targets) -> None:
    """Link a row to others by their keys; links that are there already stay.

    `name` is a many-to-many relationship, or one to association objects. For the latter, targets may
    be a mapping from keys to the link's own fields: those that are sent are stored, also in a link that is
    there. Raises NotFound without the row, and Conflict without a target.
    """
    links, row = _links_of(session, model, name), key_values(model, key)
    wanted = links.targets(targets)
    with explained(metadata=model.metadata):
        session.flush()
        if is_limited(session, model):
            _require(session, model, row)
        _require_targets(session, links, wanted)
    _insert(session, links, row, wanted)
    if not wanted:
        _require(session, model, row)
    _synchronise(session, links, row)


@verb
def unlink(session: Session, model: type[SQLModel], key: Any, name: str, targets: Iterable[Any]) -> None:
    """Remove the links of a row to others; a link that is not there is none to remove.

    Raises NotFound without the row.
    """
    links, row = _links_of(session, model, name), key_values(model, key)
    with explained(metadata=model.metadata):
        session.flush()
        if is_limited(session, model):
            _require(session, model, row)
        removed = _execute(
            session, delete(links.table).where(links.of(row), links.to(links.targets(targets)))
        )
    if not removed.rowcount:
        _require(session, model, row)
    _synchronise(session, links, row)


@verb
def replace_links(session: Session, model: type[SQLModel], key: Any, name: str, targets: Targets) -> None:
    """Make the links of a row exactly these: others are removed, missing ones made, the rest stay.

    A link that stays keeps its own fields, but for those that are sent. Of two transactions that
    replace the same row's links, one waits for the other. Raises NotFound and Conflict as `link` does.
    """
    links, row = _links_of(session, model, name), key_values(model, key)
    wanted = links.targets(targets)
    with explained(metadata=model.metadata):
        session.flush()
        _require(session, model, row, lock=True)
        _require_targets(session, links, wanted)
        _execute(session, delete(links.table).where(links.of(row), ~links.to(wanted)))
    _insert(session, links, row, wanted)
    _synchronise(session, links, row)


def _links_of(session: Session, model: type[SQLModel], name: str) -> Links:
    links = links_of(model, name)
    if links.mapper is not None and scope_of(session, links.mapper.class_) is not None:
        raise PlanError(
            f"{model.__name__}.{name} cannot be linked here: this session has a scope for "
            f"{links.mapper.class_.__name__}, and links are written without a look at their own fields. "
            "Use create(...) and delete(...) on it."
        )
    return links


def _insert(session: Session, links: Links, row: Key, wanted: Mapping[Key, Any]) -> None:
    """Insert links in one statement for each set of columns that was sent."""
    groups: dict[frozenset[str], list[dict[str, Any]]] = {}
    for sent, values in links.rows(row, wanted):
        groups.setdefault(sent, []).append(values)
    for sent, rows in groups.items():
        for part in batched(rows, len(rows[0])):
            statement = _upsert(session, links, sent, part)
            try:
                with explained(metadata=links.table.metadata):
                    _execute(session, statement)
            except Conflict as conflict:
                raise _refusal(session, links, row, conflict) from conflict


def _upsert(session: Session, links: Links, sent: frozenset[str], rows: list[dict[str, Any]]) -> Any:
    is_postgresql = session.connection().dialect.name == "postgresql"
    insert: Any = (postgresql if is_postgresql else sqlite).insert(links.table).values(rows)
    known = [*links.near, *links.far]
    if not sent:
        return insert.on_conflict_do_nothing(index_elements=known)
    moving = [column.key for column in links.table.columns if column.onupdate is not None]
    changed: dict[Any, Any] = {name: insert.excluded[name] for name in (*sorted(sent), *moving)}
    version = None if links.mapper is None else links.mapper.version_id_col
    if version is not None:
        changed[version.key] = version + 1
    return insert.on_conflict_do_update(index_elements=known, set_=changed)


def _refusal(session: Session, links: Links, row: Key, conflict: Conflict) -> Exception:
    """Say which end of a link is missing. SQLite does not tell, but its transaction lives on: so look."""
    if conflict.kind != "foreign_key":
        return conflict
    fields = conflict.fields
    if not fields:
        fields = links.near_names if not _is_there(session, links.model, row) else links.far_names
    if set(fields) <= set(links.near_names):
        return NotFound(links.model.__name__, key=row[0] if len(row) == 1 else row)
    other = None if links.target is None else links.target.__name__
    subject = conflict.subject if links.mapper is None else links.mapper.class_.__name__
    return Conflict(subject, kind="foreign_key", fields=fields, other=other, constraint=conflict.constraint)


def _require(session: Session, model: type[SQLModel], row: Key, *, lock: bool = False) -> None:
    if not _is_there(session, model, row, lock=lock):
        raise NotFound(model.__name__, key=row[0] if len(row) == 1 else row)


def _require_targets(session: Session, links: Links, wanted: Mapping[Key, Any]) -> None:
    """Refuse targets that are in the table and out of sight: the database would take them."""
    target = links.target
    if target is None or not is_limited(session, target):
        return
    keys, attributes = list(wanted), key_attributes(target)
    for part in batched(keys, len(attributes)):
        seen = _execute(session, select(func.count()).select_from(target).where(among(attributes, part)))
        if seen.scalar_one() < len(part):
            subject = links.table.name if links.mapper is None else links.mapper.class_.__name__
            raise Conflict(subject, kind="foreign_key", fields=links.far_names, other=target.__name__)


def _is_there(session: Session, model: type[SQLModel], row: Key, *, lock: bool = False) -> bool:
    matches = [attribute == value for attribute, value in zip(key_attributes(model), row, strict=True)]
    statement: Any = select(literal(1)).select_from(model).where(*matches)
    if lock:  # not against those who merely point to the row
        statement = statement.with_for_update(key_share=True)
    return _execute(session, statement).first() is not None


def _execute(session: Session, statement: Any) -> Any:
    return SQLAlchemySession.execute(session, statement, execution_options={"synchronize_session": False})


# What the session holds


def _synchronise(session: Session, links: Links, row: Key) -> None:
    """Read again what the session has loaded of the links: nothing, where it holds nothing."""
    held = list(session.identity_map.values())
    if links.mapper is not None:
        _refresh_links(session, links, row, [one for one in held if isinstance(one, links.mapper.class_)])
    for instance in held:
        for name in _loaded(instance, links):
            if instance in session:
                session.refresh(instance, [name])


def _refresh_links(session: Session, links: Links, row: Key, held: list[Any]) -> None:
    mapper: Any = links.mapper
    ours = [one for one in held if tuple(vars(one).get(name) for name in links.near_names) == row]
    if not ours:
        return
    statement = select(mapper.class_).where(links.of(row)).execution_options(populate_existing=True)
    stored = set(map(id, SQLAlchemySession.scalars(session, statement)))
    for one in ours:
        if id(one) not in stored:
            session.expunge(one)


def _loaded(instance: Any, links: Links) -> list[str]:
    """Name the loaded relationships of an instance that lead over the links."""
    mapper: Any = type(instance).__mapper__
    return [
        one.key
        for one in mapper.relationships
        if one.key in vars(instance)
        and (one.secondary is links.table or (one.uselist and one.mapper.local_table is links.table))
    ]
