"""How a direct body's statements run, by driver: what it yields is run, and what came back is sent to it.

Two loops, one for each face, over one small class for each driver. A connection is taken at the first
statement and given back at the end; what failed in a way that leaves it unknown, a cancelled task for one, is
thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy.util.concurrency import greenlet_spawn

from fieldstone.autocommit import Answer, Ask, Work
from fieldstone.database import sqlite
from fieldstone.database.bare import Bare
from fieldstone.database.breathing import breathe
from fieldstone.database.hops import BEGIN, HopConnection


class Talk(Protocol):
    """A conversation over one connection."""

    def open(self) -> None: ...
    def answer(self, ask: Ask) -> Answer: ...
    def close(self) -> None: ...


class AsyncTalk(Protocol):
    """A conversation over one connection, outside SQLAlchemy's bridge."""

    async def open(self) -> None: ...
    async def answer(self, ask: Ask) -> Answer: ...
    async def close(self) -> None: ...


def perform(bare: Bare, work: Work, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Run the direct body of a verb on the sync face. Raises GiveWay."""
    talk = _Heard if bare.is_heard() else _TALKS[bare.driver]
    return _converse(talk(bare, work.reads), bare, work, arguments, options)


async def perform_async(bare: Bare, work: Work, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Run the direct body of a verb on the async face. Raises GiveWay."""
    if bare.is_heard() or bare.driver not in _ASYNC_TALKS:
        return await greenlet_spawn(_converse, _Heard(bare, work.reads), bare, work, arguments, options)
    talk = _ASYNC_TALKS[bare.driver](bare, work.reads)
    assert work.direct is not None
    steps = work.direct(bare, *arguments, **options)
    try:
        ask = next(steps)
        try:
            await talk.open()
            while True:
                ask = steps.send(await talk.answer(ask))
        finally:
            await talk.close()
    except StopIteration as done:
        return done.value


def _converse(
    talk: Talk, bare: Bare, work: Work, arguments: Sequence[Any], options: Mapping[str, Any]
) -> Any:
    assert work.direct is not None
    steps = work.direct(bare, *arguments, **options)
    try:
        ask = next(steps)
        try:
            talk.open()
            while True:
                ask = steps.send(talk.answer(ask))
        finally:
            talk.close()
    except StopIteration as done:
        return done.value


class _Sqlite3:
    """sqlite3 itself."""

    def __init__(self, bare: Bare, reads: bool) -> None:
        self._bare = bare
        self._reads = reads
        self._fairy: Any = None

    def open(self) -> None:
        self._fairy = self._bare.connect()
        if not self._reads:
            sqlite.take_turn(self._fairy.dbapi_connection, self._bare.turns, self._bare.lock_timeout)
            for statement in sqlite.permission(self._fairy.info, True):
                self._fairy.dbapi_connection.execute(statement)

    def answer(self, ask: Ask) -> Answer:
        connection = self._fairy.dbapi_connection
        try:
            if ask.more and not connection.in_transaction:
                connection.execute(BEGIN)  # several statements see one state, and the pool ends it
            cursor = connection.execute(ask.sql, ask.arguments)
            return cursor.description, cursor.fetchall()
        except Exception as error:  # noqa: BLE001  # sorted there
            self._bare.refuse(error, self._fairy, reads=self._reads)
        except BaseException as error:
            self._fairy.invalidate(error)
            raise

    def close(self) -> None:
        if self._fairy is not None:
            self._fairy.close()


class _Psycopg:
    """psycopg's connection, in its own autocommit."""

    def __init__(self, bare: Bare, reads: bool) -> None:
        self._bare = bare
        self._reads = reads
        self._fairy: Any = None

    def open(self) -> None:
        self._fairy = self._bare.connect()
        try:
            self._fairy.dbapi_connection.autocommit = True
        except Exception as error:  # noqa: BLE001  # it is broken, and nothing was sent
            self._bare.refuse(error, self._fairy, reads=True)

    def answer(self, ask: Ask) -> Answer:
        if ask.more:
            self._bare.check_apart()
        try:
            cursor = self._fairy.dbapi_connection.execute(ask.sql, ask.arguments)
            rows = cursor.fetchall() if cursor.pgresult.nfields else []
            return cursor.description if ask.described else None, rows
        except Exception as error:  # noqa: BLE001  # sorted there
            self._bare.refuse(error, self._fairy, reads=self._reads)
        except BaseException as error:
            self._fairy.invalidate(error)
            raise

    def close(self) -> None:
        if self._fairy is None:
            return
        if self._fairy.is_valid and not self._fairy.dbapi_connection.closed:
            self._fairy.dbapi_connection.autocommit = False
        self._fairy.close()


class _Asyncpg:
    """asyncpg's own connection. It knows no transaction unless it is asked for one."""

    def __init__(self, bare: Bare, reads: bool) -> None:
        self._bare = bare
        self._reads = reads
        self._fairy: Any = None

    async def open(self) -> None:
        self._fairy = await self._bare.connect_async(reads=self._reads)

    async def answer(self, ask: Ask) -> Answer:
        if ask.more:
            self._bare.check_apart()
        connection = self._fairy.dbapi_connection.driver_connection
        try:
            if not ask.described:
                return None, await connection.fetch(ask.sql, *ask.arguments)
            prepared = await connection.prepare(ask.sql)
            description = [(one.name, one.type.oid) for one in prepared.get_attributes()]
            return description, await prepared.fetch(*ask.arguments)
        except Exception as error:  # noqa: BLE001  # sorted there
            self._bare.refuse(error, self._fairy, reads=self._reads)
        except BaseException as error:
            self._fairy.invalidate(error)
            raise

    async def close(self) -> None:
        if self._fairy is not None:
            await self._bare.give_back(self._fairy)


class _Aiosqlite:
    """SQLite in the event loop where a statement is short, else in its thread."""

    def __init__(self, bare: Bare, reads: bool) -> None:
        self._bare = bare
        self._reads = reads
        self._begun = False
        self._fairy: Any = None

    async def open(self) -> None:
        await breathe()
        self._fairy = await self._bare.connect_async(reads=self._reads)
        self._hop: HopConnection = self._fairy.dbapi_connection
        self._hop.brief = self._reads and sqlite.is_write_ahead(self._fairy.info)
        if not self._reads:
            await sqlite.take_turn_async(self._hop, self._bare.turns, self._bare.lock_timeout)
            self._hop.postpone(*sqlite.permission(self._fairy.info, True))

    async def answer(self, ask: Ask) -> Answer:
        if ask.more and not self._begun:
            self._hop.postpone(BEGIN)
            self._begun = True
        try:
            run = self._hop.run if self._reads else self._hop.store
            description, rows, _, _ = await run(ask.sql, ask.arguments)
            return description, rows
        except Exception as error:  # noqa: BLE001  # sorted there
            self._bare.refuse(error, self._fairy, reads=self._reads)
        except BaseException as error:
            await greenlet_spawn(self._fairy.invalidate, error)
            raise

    async def close(self) -> None:
        if self._fairy is None:
            return
        if self._fairy.is_valid:
            if self._hop.unsettled or (self._begun and not self._hop.brief):
                await greenlet_spawn(self._hop.commit)
            else:
                self._hop.commit()
        await self._bare.give_back(self._fairy)


class _Heard:
    """SQLAlchemy's connection under autocommit, for those who listen to statements, and for other drivers."""

    def __init__(self, bare: Bare, reads: bool) -> None:
        self._bare = bare
        self._reads = reads
        self._connection: Any = None

    def open(self) -> None:
        self._connection = self._bare.connect(self._bare.autocommit.connect)

    def answer(self, ask: Ask) -> Answer:
        if ask.more:
            self._bare.check_apart()
        try:
            result: Any = self._connection.exec_driver_sql(ask.sql, ask.arguments)
            if not result.returns_rows:
                return None, []
            description = result.cursor.description  # gone with the cursor, which closes at the last row
            return description, result.cursor_strategy.fetchall(result, result.cursor)
        except Exception as error:  # noqa: BLE001  # sorted there
            self._bare.refuse(error, self._connection, reads=self._reads)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


_TALKS: Mapping[str, type[_Sqlite3 | _Psycopg | _Heard]] = {"pysqlite": _Sqlite3, "psycopg": _Psycopg}
_ASYNC_TALKS: Mapping[str, type[_Aiosqlite | _Asyncpg]] = {"aiosqlite": _Aiosqlite, "asyncpg": _Asyncpg}
