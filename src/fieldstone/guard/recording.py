"""The hooks: public events of engines, sessions and instances, and the recorders that hear of them.

They are set once, when the first recorder starts, and stay: taking an event away while another thread runs
it would break that thread. While nobody records, each costs a look at one variable.

Who records is a matter of context, so that concurrent requests do not mix. Threads that are started with a
copy of the context (as FastAPI's and asyncio.to_thread's are), tasks and greenlets all hear the same ones. A
recorder may also listen everywhere, which is for tests: there the code under test may run in a thread or a
task that was there before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any
from weakref import ref

from sqlalchemy import Connection, Engine, Result, event
from sqlalchemy.orm import InstanceState, Mapper, ORMExecuteState, QueryContext, Session, SessionTransaction

from fieldstone.guard import lives
from fieldstone.guard.lives import Ending, Query
from fieldstone.guard.queries import query_of
from fieldstone.guard.sites import here
from fieldstone.guard.statements import Statement, is_setup
from fieldstone.listeners import idle_at_plain_writes, idle_at_reads, idle_unless

_OPEN = "fieldstone_guard_open"
_SESSION = "fieldstone_guard"


class Recorder:
    """Collect the statements of a context, or of everywhere, as far as `hears` says of their connection."""

    def __init__(
        self, *, everywhere: bool = False, hears: Callable[[Connection], bool] | None = None
    ) -> None:
        self.everywhere = everywhere
        self.hears = hears
        self.statements: list[Statement] = []
        self.texts: list[str] = []

    def sent(self, statement: Statement, connection: Connection) -> None:
        """Hear of a statement that is about to run."""
        if self.hears is None or self.hears(connection):
            self.statements.append(statement)
            self.texts.append(statement.sql)

    def asked(self, query: Query, state: ORMExecuteState) -> Result[Any] | None:
        """Hear of a query that a session is about to send, and answer it instead, or do nothing."""
        return None

    def used(self, session: Session) -> None:
        """Hear of a session that is about to flush, or whose transaction begins."""

    def committing(self, session: Session) -> None:
        """Hear of a session that is about to commit."""

    def ended(self, session: Session, written: list[Statement]) -> None:
        """Hear of a transaction that was closed with neither commit nor rollback, and what it wrote."""

    def expired(self, entity: str, ending: Ending) -> None:
        """Hear of an instance whose values were taken."""

    def dropped(self, entity: str) -> None:
        """Hear of an instance that was added to a session and closed with it."""

    def start(self) -> None:
        global _everywhere
        listen()
        if self.everywhere:
            with _lock:
                _everywhere = (*_everywhere, self)
        else:
            _here.set((*_here.get(), self))

    def stop(self) -> None:
        # By value, not by token: a fixture may end in another context than it began in.
        global _everywhere
        with _lock:
            _everywhere = tuple(one for one in _everywhere if one is not self)
        _here.set(tuple(one for one in _here.get() if one is not self))


_here: ContextVar[tuple[Recorder, ...]] = ContextVar("fieldstone_guard", default=())
_everywhere: tuple[Recorder, ...] = ()
_lock = threading.Lock()
_listening = False


def recorders() -> tuple[Recorder, ...]:
    """Give those who record what happens here and now."""
    return _everywhere + _here.get() if _everywhere else _here.get()


def listen() -> None:
    """Set the hooks, once in the life of a process."""
    global _listening
    with _lock:
        if not _listening:
            _listening = True
            for target, name, function, options in hooks():
                event.listen(target, name, function, **options)


def hooks() -> Iterator[tuple[type[Any], str, Callable[..., Any], dict[str, Any]]]:
    """Yield all hooks: what they listen to, and by which function."""
    # with `retval`, since SQLAlchemy would wrap the function, and with it hide that it is idle
    yield Engine, "before_cursor_execute", _before, {"retval": True}
    yield Engine, "after_cursor_execute", _after, {}
    yield Engine, "handle_error", _failed, {}
    yield Session, "do_orm_execute", _executing, {}
    yield Session, "after_begin", _begun, {}
    yield Session, "before_flush", _flushing, {}
    yield Session, "before_commit", _committing, {}
    yield Session, "after_commit", _committed, {}
    yield Session, "after_rollback", _rolled_back, {}
    yield Session, "after_transaction_end", _ended, {}
    yield Session, "persistent_to_detached", _detached, {}
    yield Session, "pending_to_transient", _dropped, {}
    yield Mapper, "load", _loaded, {"raw": True}
    yield Mapper, "expire", _expired, {"raw": True}


# Statements


@idle_unless(recorders)
def _before(
    connection: Connection, cursor: Any, sql: str, parameters: Any, context: Any, many: bool
) -> tuple[str, Any]:
    found = recorders()
    if found and not is_setup(sql):
        _record(found, connection, sql, parameters, context)
    return sql, parameters


def _record(
    found: tuple[Recorder, ...], connection: Connection, sql: str, parameters: Any, context: Any
) -> None:
    query = context.execution_options.get(lives.KEY) if context is not None else None
    statement = Statement(
        sql,
        parameters,
        query.moment if query is not None else here(),
        time.perf_counter(),
        id(connection),
        ref(connection.engine),
        query,
    )
    connection.info[_OPEN] = statement
    for recorder in found:
        recorder.sent(statement, connection)


@idle_unless(recorders)
def _after(connection: Connection, *_rest: Any) -> None:
    if recorders():
        statement: Statement | None = connection.info.pop(_OPEN, None)
        if statement is not None:
            statement.seconds = time.perf_counter() - statement.started


def _failed(context: Any) -> None:
    connection = context.connection
    if recorders() and connection is not None and not (connection.invalidated or connection.closed):
        statement: Statement | None = connection.info.pop(_OPEN, None)
        if statement is not None:
            statement.failed = True


@idle_at_reads()
def _executing(state: ORMExecuteState) -> Result[Any] | None:
    found = recorders()
    if not found:
        return None
    query = query_of(state)
    answers = [recorder.asked(query, state) for recorder in found]
    state.update_execution_options(**{lives.KEY: query})
    return next((answer for answer in answers if answer is not None), None)


# Transactions


def _begun(session: Session, _transaction: Any, connection: Connection) -> None:
    found = recorders()
    if not found:
        return
    session.info.setdefault(_SESSION, []).append((id(connection), time.perf_counter()))
    for recorder in found:
        recorder.used(session)


@idle_at_plain_writes
def _flushing(session: Session, *_rest: Any) -> None:
    for recorder in recorders():
        recorder.used(session)


def _committing(session: Session) -> None:
    for recorder in recorders():
        recorder.committing(session)


def _committed(session: Session) -> None:
    if recorders():
        session.info.pop(_SESSION, None)


def _rolled_back(session: Session) -> None:
    """Set apart what a rollback has undone, so that what is tried again is not taken for a repetition."""
    begun = session.info.pop(_SESSION, ())
    for recorder in recorders():
        for statement, since in _within(recorder, begun):
            if not statement.attempt:
                statement.attempt = int(since * 1e9)


def _ended(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is not None:
        return
    begun = session.info.pop(_SESSION, None)
    if begun is None:
        return
    for recorder in recorders():
        written = [one for one, _ in _within(recorder, begun) if one.is_write and not one.failed]
        if written:
            recorder.ended(session, written)


def _within(recorder: Recorder, begun: Iterable[tuple[int, float]]) -> Iterator[tuple[Statement, float]]:
    """Yield what was sent over the connections of a transaction since it began, the last first."""
    for connection, since in begun:
        for statement in reversed(recorder.statements):
            if statement.started < since:
                break
            if statement.connection == connection:
                yield statement, since


def _dropped(session: Session, instance: Any) -> None:
    found = recorders()
    if found and here().operation == "close":
        for recorder in found:
            recorder.dropped(type(instance).__name__)


# Instances


@idle_at_plain_writes
def _loaded(state: InstanceState[Any], context: QueryContext) -> None:
    if recorders():
        query: Any = context.execution_options.get(lives.KEY)
        if query is not None:
            lives.life_of(state).query = query


def _expired(state: InstanceState[Any], names: Any) -> None:
    found = recorders()
    if found:
        moment = here()
        operation = moment.operation or "expire"
        if names is not None and operation == "commit":
            operation = "flush"  # what the server computes is expired by the flush within a commit
        ending = Ending(operation, moment)
        lives.expire(state, names, ending)
        for recorder in found:
            recorder.expired(lives.name_of(state), ending)


def _detached(session: Session, instance: Any) -> None:
    if recorders():
        moment = here()
        state: InstanceState[Any] = instance._sa_instance_state
        lives.life_of(state).detached = Ending(moment.operation or "close", moment)
