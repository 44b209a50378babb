"""Copies of prepared databases on a PostgreSQL server.

`CREATE DATABASE ... TEMPLATE` takes about as long as creating the tables, and the first connection to
a new database as long again. So a copy serves many tests: the rows that one has written are deleted,
and sequences set back, before the next one has it. That is exact only where a test changed nothing but
rows. The system catalogs tell: every other change leaves a catalog row that is new, gone or written by
another transaction (`xmin`). Such a copy is thrown away, and so is one that has grown.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from fieldstone.database import Database
from fieldstone.testing.templates import EMPTY, Schema

# Deleted rows stay in the files of their table, as nobody vacuums; past this they would slow reads down.
_GROWTH_BYTES = 1_000_000

# Lower ones belong to the system (access/transam.h).
_FIRST_OID = 16_384

_CATALOGS = {
    "pg_class": "oid",
    "pg_attribute": "attrelid",
    "pg_attrdef": "oid",
    "pg_constraint": "oid",
    "pg_description": "objoid",
    "pg_extension": "oid",
    "pg_index": "indexrelid",
    "pg_namespace": "oid",
    "pg_policy": "oid",
    "pg_proc": "oid",
    "pg_rewrite": "oid",
    "pg_statistic": "starelid",
    "pg_statistic_ext": "oid",
    "pg_trigger": "oid",
    "pg_type": "oid",
}

_SETTINGS = (
    "(SELECT count(*) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase"
    " WHERE datname = current_database())"
)
_PUBLIC = "(SELECT count(*) FROM pg_namespace WHERE nspname = 'public')"
_WRITERS = [
    f"(SELECT sum(hashtext({oid}::text || xmin::text)::bigint) FROM {name} WHERE {oid} >= {_FIRST_OID})"  # noqa: S608
    for name, oid in _CATALOGS.items()
]
_FINGERPRINT = f"SELECT {', '.join([*_WRITERS, _SETTINGS, _PUBLIC])}"

_OF_TABLES = f"FROM pg_class WHERE oid >= {_FIRST_OID} AND relkind = 'r'"
_SIZE = f"SELECT coalesce(sum(pg_relation_size(oid)), 0) {_OF_TABLES}"
_TABLES = f"SELECT oid::regclass::text {_OF_TABLES}"

_SEQUENCES = (
    "SELECT 'setval(' || quote_literal(quote_ident(schemaname) || '.' || quote_ident(sequencename)) || ', '"
    " || coalesce(last_value, start_value) || ', ' || (last_value IS NOT NULL) || ')'"
    " FROM pg_sequences ORDER BY 1"
)

_OTHERS_OUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)

_SCHEMAS = (
    "SELECT quote_ident(nspname) FROM pg_namespace"
    " WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
)


@dataclass
class _Template:
    """A prepared database that is only copied, what its copies are compared with, and the idle ones."""

    name: str
    fingerprint: tuple[object, ...]
    size: int
    restoring: str | None
    idle: list[str] = field(default_factory=list)


class PostgresTemplates:
    """Lend databases on one server, and drop them all at the end; `lasting` says that the server stays."""

    def __init__(self, server: str, *, lasting: bool = True) -> None:
        self._server = server
        self._lasting = lasting
        self._ending = ExitStack()
        self._prefix = f"fieldstone_{os.getpid()}_{secrets.token_hex(3)}"
        self._names: list[str] = []
        self._connections: dict[str, Connection] = {}
        self._templates: dict[Schema, _Template] = {}

    @contextmanager
    def lend(self, schema: Schema) -> Iterator[str]:
        """Yield the URL of a copy that holds the schema and nothing else."""
        template = self._template(schema)
        name = template.idle.pop() if template.idle else self._create(template.name)
        try:
            yield self._url(name)
        finally:
            if self._restored(name, template):
                template.idle.append(name)
            else:
                self._drop(name)

    def close(self) -> None:
        """Drop every database that was made here, unless the server goes as well."""
        while self._lasting and self._names:
            self._drop(self._names[-1])
        for name in list(self._connections):
            self._disconnect(name)
        self._ending.close()
        self._templates.clear()

    def _template(self, schema: Schema) -> _Template:
        if schema not in self._templates:
            name = self._create("template0" if schema is EMPTY else self._template(EMPTY).name)
            if schema.prepare is not None:
                with Database(self._url(name)) as database:
                    schema.prepare(database)
            self._templates[schema] = _described(name, self._connection(name))
            self._disconnect(name)  # PostgreSQL copies no database that is in use
        return self._templates[schema]

    def _create(self, template: str) -> str:
        name = f"{self._prefix}_{len(self._names)}_{secrets.token_hex(2)}"
        self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._names.append(name)
        return name

    def _drop(self, name: str) -> None:
        self._disconnect(name)
        self._administer(f'DROP DATABASE "{name}" WITH (FORCE)')
        self._names.remove(name)

    def _restored(self, name: str, template: _Template) -> bool:
        """Bring a copy back to what its template is; say no where that would not be exact."""
        connection = self._connection(name)
        connection.exec_driver_sql(_OTHERS_OUT)
        if _fingerprint(connection) == template.fingerprint:
            if template.restoring is None or _size(connection) > template.size + _GROWTH_BYTES:
                return False
            connection.exec_driver_sql(template.restoring)
            return True
        if template is not self._templates[EMPTY]:
            return False
        _empty(connection)
        return True

    def _connection(self, name: str) -> Connection:
        """Keep one connection to each copy: to open one takes longer than all that is done with it."""
        if name not in self._connections:
            database = Database(self._url(name), pool_size=1)
            self._ending.callback(database.close)
            self._connections[name] = database.engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            )
        return self._connections[name]

    def _disconnect(self, name: str) -> None:
        if (connection := self._connections.pop(name, None)) is not None:
            connection.detach()
            connection.close()

    def _administer(self, statement: str) -> None:
        self._connection(make_url(self._server).database or "postgres").exec_driver_sql(statement)

    def _url(self, name: str) -> str:
        return make_url(self._server).set(database=name).render_as_string(hide_password=False)


def _described(name: str, connection: Connection) -> _Template:
    return _Template(name, _fingerprint(connection), _size(connection), _restoring(connection))


def _fingerprint(connection: Connection) -> tuple[object, ...]:
    return tuple(connection.exec_driver_sql(_FINGERPRINT).one())


def _size(connection: Connection) -> int:
    return int(connection.exec_driver_sql(_SIZE).scalar_one())


def _restoring(connection: Connection) -> str | None:
    """Write what takes a copy back; None where the template holds rows, or rights are missing."""
    tables = connection.exec_driver_sql(_TABLES).scalars().all()
    if any(connection.exec_driver_sql(f"SELECT EXISTS (SELECT FROM {table})").scalar() for table in tables):  # noqa: S608
        return None
    try:
        connection.exec_driver_sql("SET session_replication_role = origin")
    except DBAPIError:
        return None
    steps = [
        "SET LOCAL session_replication_role = replica",  # in any order, and past triggers
        *(f"DELETE FROM {table}" for table in tables),  # noqa: S608
        *(f"PERFORM {setting}" for setting in sequence_settings(connection)),
    ]
    return f"DO $$ BEGIN {'; '.join(steps)}; END $$"


def sequence_settings(connection: Connection) -> Sequence[str]:
    """Return the calls that set every sequence to what it says now."""
    return connection.exec_driver_sql(_SEQUENCES).scalars().all()


def _empty(connection: Connection) -> None:
    for schema in connection.exec_driver_sql(_SCHEMAS).scalars().all():
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    connection.exec_driver_sql("CREATE SCHEMA public")
