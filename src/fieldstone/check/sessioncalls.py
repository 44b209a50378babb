"""What the methods of a session do to the objects it holds.

The effects follow SQLAlchemy's unit of work: commit expires what is persistent where the session says
so; rollback expires it always, and makes what was new in the transaction transient again; a deleted
object keeps the values it has.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from fieldstone.check import names
from fieldstone.check.modules import Module
from fieldstone.check.project import Project
from fieldstone.check.statements import given_by, with_options
from fieldstone.check.values import (
    PLAIN,
    UNKNOWN,
    Context,
    Expiry,
    Instance,
    Result,
    Row,
    Select,
    Session,
    State,
    Status,
    Thing,
    Value,
)

# Methods of AsyncSession that are coroutines.
COROUTINES = frozenset(
    {
        "exec",
        "execute",
        "scalars",
        "scalar",
        "get",
        "get_one",
        "merge",
        "refresh",
        "delete",
        "commit",
        "rollback",
        "flush",
        "close",
        "stream",
        "stream_scalars",
        "connection",
        "run_sync",
        "invalidate",
        "aclose",
        "reset",
    }
)
# Methods that are not, even on AsyncSession.
IMMEDIATE = frozenset(
    {
        "add",
        "add_all",
        "expire",
        "expire_all",
        "expunge",
        "expunge_all",
        "begin",
        "begin_nested",
        "is_modified",
        "in_transaction",
        "get_bind",
        "get_transaction",
        "object_session",
        "no_autoflush",
        "get_nested_transaction",
    }
)
# Methods that may send a statement.
STATEMENTS = frozenset({"exec", "execute", "scalars", "scalar", "get", "get_one", "stream", "stream_scalars"})
WRITES = frozenset({"commit", "flush", "refresh", "delete", "merge"})
BLOCKING = STATEMENTS | WRITES | {"rollback", "query"}

Born = Callable[[Thing], Instance]


class SessionCall:
    """One call of a session's method."""

    def __init__(
        self,
        project: Project,
        module: Module,
        state: State,
        call: ast.Call,
        arguments: tuple[Value, ...],
        keywords: dict[str, Value],
        born: Born,
    ) -> None:
        self.project = project
        self.module = module
        self.state = state
        self.call = call
        self.arguments = arguments
        self.keywords = keywords
        self.born = born

    def value(self, session: Session, method: str) -> Value:
        """Do what the method does, and say what it gives once awaited."""
        effect = getattr(self, f"do_{method}", None)
        if effect is not None:
            found = effect(session)
            return PLAIN if found is None else found
        return UNKNOWN

    def first(self, name: str = "") -> Value:
        """The first argument."""
        return self.arguments[0] if self.arguments else self.keywords.get(name, UNKNOWN)

    def statement(self) -> Select:
        """The statement that is executed."""
        given = self.first("statement")
        return given if isinstance(given, Select) else Select((UNKNOWN,), None, kind="?")

    def do_exec(self, session: Session) -> Value:
        select = self.statement()
        return Result(select, len(select.entities) == 1 and select.sqlmodel is not False, session.key)

    def do_execute(self, session: Session) -> Value:
        return Result(self.statement(), False, session.key)

    def do_scalars(self, session: Session) -> Value:
        return Result(self.statement(), True, session.key)

    do_stream = do_execute
    do_stream_scalars = do_scalars

    def do_scalar(self, session: Session) -> Value:
        row = given_by(self.project, self.statement(), session.key, self.call.lineno, self.born)
        return row.elements[0] if isinstance(row, Row) and row.elements else row

    def do_get(self, session: Session) -> Value:
        entity = self.first("entity")
        select = Select((entity,))
        options = names.keyword(self.call, "options")
        if isinstance(options, ast.List | ast.Tuple):
            select = with_options(select, options.elts, self.module)
        elif options is not None:
            select = replace(select, loaded=None)
        return given_by(self.project, select, session.key, self.call.lineno, self.born)

    do_get_one = do_get

    def do_query(self, session: Session) -> Value:
        return Select(self.arguments, kind="query", session=session.key)

    def do_merge(self, session: Session) -> Value:
        thing = self.state.thing(self.first("instance"))
        if thing is None:
            return UNKNOWN
        return self.born(Thing(thing.model, Status.PERSISTENT, session.key, None, origin=self.call.lineno))

    def do_add(self, session: Session) -> None:
        given = self.first("instance")
        thing = self.state.thing(given)
        if thing:
            pending = thing.status is Status.TRANSIENT
            self.state.change(given, session=session.key, status=Status.PENDING if pending else thing.status)

    def do_add_all(self, session: Session) -> None:
        given = self.first("instances")
        for value in given.elements if isinstance(given, Row) else (given,):
            thing = self.state.thing(value)
            if thing:
                self.state.change(value, session=session.key, status=Status.PENDING)

    def do_delete(self, session: Session) -> None:
        self.state.change(self.first("instance"), status=Status.DELETED, session=session.key)

    def do_flush(self, session: Session) -> None:
        """Nothing that a rollback would not undo."""

    def do_expunge(self, session: Session) -> None:
        self.state.change(self.first("instance"), status=Status.DETACHED, session=None)

    def do_expunge_all(self, session: Session) -> None:
        for number, thing in self.state.things.items():
            if thing.session == session.key:
                self.state.things[number] = replace(thing, status=Status.DETACHED, session=None)

    def do_refresh(self, session: Session) -> None:
        given = self.first("instance")
        thing = self.state.thing(given)
        if thing is None:
            return
        said = names.argument(self.call, 1, "attribute_names")
        if said is None:
            self.state.change(
                given, expired=None, loaded=frozenset(), status=Status.PERSISTENT, session=session.key
            )
        else:
            listed = self.listed(said)
            loaded = None if listed is None or thing.loaded is None else thing.loaded | listed
            kept = thing.kept | (listed or frozenset())
            expired = thing.expired if listed is not None else None
            self.state.change(given, loaded=loaded, kept=kept, expired=expired, session=session.key)

    def listed(self, node: ast.expr) -> frozenset[str] | None:
        """The texts of a list."""
        if not isinstance(node, ast.List | ast.Tuple | ast.Set):
            return None
        texts = [names.literal(element) for element in node.elts]
        return (
            frozenset(str(text) for text in texts) if all(isinstance(text, str) for text in texts) else None
        )

    def do_expire(self, session: Session) -> None:
        if len(self.arguments) == 1 and not self.keywords:
            expiry = Expiry("expire", self.call.lineno)
            self.state.change(self.first(), expired=expiry, kept=frozenset(), loaded=frozenset())

    def do_expire_all(self, session: Session) -> None:
        expire(self.state, session.key, Expiry("expire", self.call.lineno))

    def do_commit(self, session: Session) -> None:
        committed(self.state, session, self.call.lineno)

    def do_rollback(self, session: Session) -> None:
        rolled_back(self.state, session, self.call.lineno)

    def do_close(self, session: Session) -> None:
        closed(self.state, session)

    do_aclose = do_close

    def do_begin(self, session: Session) -> Value:
        return Context(session, session, commits=True)

    def do_begin_nested(self, session: Session) -> Value:
        return Context(UNKNOWN)


def committed(state: State, session: Session, line: int) -> None:
    """Commit: what was new is persistent; what is persistent expires where the session says so."""
    for number, thing in state.things.items():
        if thing.session == session.key and thing.status is Status.PENDING:
            state.things[number] = replace(thing, status=Status.PERSISTENT)
    state.committed |= {session.key}
    if session.expires:
        expire(state, session.key, Expiry("commit", line))


def rolled_back(state: State, session: Session, line: int) -> None:
    """Roll back: what is persistent expires whatever the session says; what was new is no row any more."""
    expire(state, session.key, Expiry("rollback", line), only=Status.PERSISTENT)
    for number, thing in state.things.items():
        if thing.session == session.key and thing.status is Status.PENDING:
            state.things[number] = replace(thing, status=Status.TRANSIENT, session=None)
    state.rolled_back |= {session.key}


def expire(state: State, key: str, expiry: Expiry, only: Status | None = None) -> None:
    """Expire what a session holds."""
    for number, thing in state.things.items():
        kept = thing.status in {Status.DELETED, Status.TRANSIENT, Status.DETACHED, Status.PENDING}
        if thing.session == key and not kept and (only is None or thing.status is only):
            state.things[number] = replace(thing, expired=expiry, kept=frozenset(), loaded=frozenset())


def closed(state: State, session: Session) -> None:
    """Close: what the session held is detached, expired or not."""
    state.closed |= {session.key}
    for number, thing in state.things.items():
        if thing.session == session.key and thing.status in {Status.PERSISTENT, Status.PENDING}:
            state.things[number] = replace(thing, status=Status.DETACHED)
