"""The verbs that write one row: a model and a schema's values in; the instance, an object or JSON out.

Without `into` they give the flushed instance. With it they give what a read would give afterwards, and
where the model allows it the statement that stores the row gives that, too: one round trip, no instance.
Whatever it cannot say by itself is left to the instance: see `straight` for when, and `storing` for how.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar, cast, overload

from pydantic import BaseModel
from sqlalchemy import inspect as sa_inspect
from sqlmodel import Session, SQLModel

from fieldstone.autocommit import Ask, Direct, GiveWay, Steps
from fieldstone.keys import key_names, version_name
from fieldstone.listeners import added_at_reads
from fieldstone.reading.fetching import by_key
from fieldstone.reading.plans import plan
from fieldstone.reading.ways import ask
from fieldstone.verbs import AnyAsync, AnySync, verb
from fieldstone.writing.single import create_instance, patch_instance
from fieldstone.writing.storing import NotStraight, Order, Place, Written, key_of, run, to_insert, to_update
from fieldstone.writing.straight import why_not
from fieldstone.writing.versions import Version

Data = BaseModel | Mapping[str, Any]
ModelT = TypeVar("ModelT", bound=SQLModel)
SchemaT = TypeVar("SchemaT", bound=BaseModel)


class Create(Protocol):
    """Give the instance, or with `into` an object of that schema; awaited with an AsyncSession."""

    @overload
    def __call__(self, session: AnySync, /, model: type[ModelT], data: Data) -> ModelT: ...
    @overload
    def __call__(
        self, session: AnySync, /, model: type[SQLModel], data: Data, *, into: type[SchemaT]
    ) -> SchemaT: ...
    @overload
    def __call__(
        self, session: AnyAsync, /, model: type[ModelT], data: Data
    ) -> Coroutine[Any, Any, ModelT]: ...
    @overload
    def __call__(
        self, session: AnyAsync, /, model: type[SQLModel], data: Data, *, into: type[SchemaT]
    ) -> Coroutine[Any, Any, SchemaT]: ...


@verb
def _create(
    session: Session, model: type[SQLModel], data: Data, *, into: type[BaseModel] | None = None
) -> Any:
    """Insert a row and return its instance, or an object of `into`, with what the database added.

    What is nested in the data is inserted with it, or linked to it by key; a problem with any of it is an
    InvalidValues whose paths lead there. Raises InvalidValues for a value that a rule of the model or
    table refuses, and Conflict for one that contradicts another row; nothing is inserted then.
    """
    if into is None:
        return create_instance(session, model, data)
    return _created(session, model, data, into).object()


@_create.direct
def _create_at_once(
    direct: Direct, model: type[SQLModel], data: Data, *, into: type[BaseModel] | None = None
) -> Steps[Any]:
    if into is None:
        raise GiveWay
    return (yield from _insert(direct, model, data, into)).object()


create = cast(Create, _create)


class Patch(Protocol):
    """Give the instance, or with `into` an object of that schema; awaited with an AsyncSession."""

    @overload
    def __call__(
        self,
        session: AnySync,
        /,
        model: type[ModelT],
        key: Any,
        data: Data,
        *,
        version: Version | None = None,
    ) -> ModelT: ...
    @overload
    def __call__(
        self,
        session: AnySync,
        /,
        model: type[SQLModel],
        key: Any,
        data: Data,
        *,
        into: type[SchemaT],
        version: Version | None = None,
    ) -> SchemaT: ...
    @overload
    def __call__(
        self,
        session: AnyAsync,
        /,
        model: type[ModelT],
        key: Any,
        data: Data,
        *,
        version: Version | None = None,
    ) -> Coroutine[Any, Any, ModelT]: ...
    @overload
    def __call__(
        self,
        session: AnyAsync,
        /,
        model: type[SQLModel],
        key: Any,
        data: Data,
        *,
        into: type[SchemaT],
        version: Version | None = None,
    ) -> Coroutine[Any, Any, SchemaT]: ...


@verb
def _patch(
    session: Session,
    model: type[SQLModel],
    key: Any,
    data: Data,
    *,
    into: type[BaseModel] | None = None,
    version: Version | None = None,
) -> Any:
    """Change the sent fields of the row with this key, and no others; all of them or none.

    From a schema made with `@partial`, or any other schema, the sent fields are those in
    `model_fields_set`. `version` is the one that the change is based on, or several of which it must
    be one. Raises NotFound, InvalidValues and Conflict, and StaleVersion where another is stored.
    """
    if into is None:
        return patch_instance(session, model, key, data, version=version)
    return _patched(session, model, key, data, into, version).object()


@_patch.direct
def _patch_at_once(
    direct: Direct,
    model: type[SQLModel],
    key: Any,
    data: Data,
    *,
    into: type[BaseModel] | None = None,
    version: Version | None = None,
) -> Steps[Any]:
    if into is None:
        raise GiveWay
    return (yield from _update(direct, model, key, data, into, version)).object()


patch = cast(Patch, _patch)


@verb
def json_create(session: Session, model: type[SQLModel], data: Data, schema: type[BaseModel]) -> bytes:
    """Insert a row and give it as JSON: what `create` gives with `into`, with the same errors."""
    return _created(session, model, data, schema).bytes()


@json_create.direct
def _json_create_at_once(
    direct: Direct, model: type[SQLModel], data: Data, schema: type[BaseModel]
) -> Steps[bytes]:
    return (yield from _insert(direct, model, data, schema)).bytes()


@verb
def json_patch(
    session: Session,
    model: type[SQLModel],
    key: Any,
    data: Data,
    schema: type[BaseModel],
    *,
    version: Version | None = None,
) -> bytes:
    """Change a row and give it as JSON: what `patch` gives with `into`, with the same errors."""
    return _patched(session, model, key, data, schema, version).bytes()


@json_patch.direct
def _json_patch_at_once(
    direct: Direct,
    model: type[SQLModel],
    key: Any,
    data: Data,
    schema: type[BaseModel],
    *,
    version: Version | None = None,
) -> Steps[bytes]:
    return (yield from _update(direct, model, key, data, schema, version)).bytes()


class Stored(NamedTuple):
    """A row that was stored: as JSON or as an object of the schema, with what names it."""

    shown: Any
    key: tuple[Any, ...]
    version: Any

    @classmethod
    def of(cls, written: Written, *, as_json: bool) -> Stored:
        """Read what is left to read of a row while its connection is there."""
        return cls(written.bytes() if as_json else written.object(), written.key, written.version)


@verb
def create_whole(
    session: Session, model: type[SQLModel], data: Data, schema: type[BaseModel], *, as_json: bool
) -> Stored:
    """Insert a row, for who needs its key and version beside what the schema shows."""
    return Stored.of(_created(session, model, data, schema), as_json=as_json)


@create_whole.direct
def _create_whole_at_once(
    direct: Direct, model: type[SQLModel], data: Data, schema: type[BaseModel], *, as_json: bool
) -> Steps[Stored]:
    return Stored.of((yield from _insert(direct, model, data, schema)), as_json=as_json)


@verb
def patch_whole(
    session: Session,
    model: type[SQLModel],
    key: Any,
    data: Data,
    schema: type[BaseModel],
    *,
    as_json: bool,
    version: Version | None = None,
) -> Stored:
    """Change a row, for who needs its key and version beside what the schema shows."""
    return Stored.of(_patched(session, model, key, data, schema, version), as_json=as_json)


@patch_whole.direct
def _patch_whole_at_once(
    direct: Direct,
    model: type[SQLModel],
    key: Any,
    data: Data,
    schema: type[BaseModel],
    *,
    as_json: bool,
    version: Version | None = None,
) -> Steps[Stored]:
    return Stored.of((yield from _update(direct, model, key, data, schema, version)), as_json=as_json)


# In a session


def _created(session: Session, model: type[SQLModel], data: Data, schema: type[BaseModel]) -> Written:
    plan(model, schema)  # a schema that does not fit is refused before anything is stored
    try:
        return run(session, to_insert(_place(session, model), model, data, schema))
    except NotStraight:
        pass
    return _read(session, create_instance(session, model, data), schema)


def _patched(
    session: Session,
    model: type[SQLModel],
    key: Any,
    data: Data,
    schema: type[BaseModel],
    version: Version | None,
) -> Written:
    plan(model, schema)
    try:
        place = _place(session, model)
        if _is_held(session, model, key):
            raise NotStraight
        return run(session, to_update(place, model, key, data, schema, version))
    except NotStraight:
        pass
    return _read(session, patch_instance(session, model, key, data, version=version), schema)


def _place(session: Session, model: type[SQLModel]) -> Place:
    """Say where a statement of this session runs. Raises NotStraight where it has to go through instances."""
    added = None if session.execution_options else added_at_reads(session)
    if added is None or why_not(model, session) or not session._is_clean():
        raise NotStraight
    connection = session.connection(bind_arguments={"mapper": sa_inspect(model)})
    events, options = connection.dispatch, connection.get_execution_options()
    if events.before_execute or events.after_execute or options.get("schema_translate_map"):
        raise NotStraight
    return Place(connection.dialect, connection.engine.pool, added)


def _is_held(session: Session, model: type[SQLModel], key: Any) -> bool:
    """Tell whether the session has the instance, which then has to see the change."""
    identity = sa_inspect(model).identity_key_from_primary_key(key_of(model, key))
    return identity in session.identity_map


def _read(session: Session, instance: SQLModel, schema: type[BaseModel]) -> Written:
    model = type(instance)
    key, counter = tuple(getattr(instance, name) for name in key_names(model)), version_name(model)
    version = None if counter is None else getattr(instance, counter)
    return Written(plan(model, schema), key, version, ask(session, by_key(model, key, schema)))


# Without one


def _insert(direct: Direct, model: type[SQLModel], data: Data, schema: type[BaseModel]) -> Steps[Written]:
    if why_not(model):
        raise GiveWay
    try:
        order = to_insert(Place(direct.dialect, direct.owner), model, data, schema)
    except NotStraight:
        raise GiveWay from None
    return (yield from _asked(order))


def _update(
    direct: Direct,
    model: type[SQLModel],
    key: Any,
    data: Data,
    schema: type[BaseModel],
    version: Version | None,
) -> Steps[Written]:
    if why_not(model):
        raise GiveWay
    place = Place(direct.dialect, direct.owner, direct.added)
    try:
        order = to_update(place, model, key, data, schema, version)
    except NotStraight:
        raise GiveWay from None
    return (yield from _asked(order))


def _asked(order: Order) -> Steps[Written]:
    try:
        return (yield from _once(order))
    except NotStraight:
        pass
    try:  # it has the values, or is not there: nothing was stored
        return (yield from _once(order.second()))
    except NotStraight:
        raise GiveWay from None


def _once(order: Order) -> Steps[Written]:
    arguments = order.arguments
    description, rows = yield Ask(order.command.sql, arguments, described=order.command.is_new)
    return order.answered(description, rows)
