"""Connections: URLs that are rewritten as text, and what a database does not do unless it is told."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.findings import Problem, Severity
from fieldstone.check.project import Project
from fieldstone.check.registry import File, Tier, rule
from fieldstone.check.rules.engineurls import CREATE_ASYNC, CREATORS, by_hand, scheme_of, text_of

REWRITTEN = re.compile(r"^(?:postgres(?:ql)?|sqlite|mysql|mariadb)(?:\+\w+)?:|sslmode=?$|channel_binding")
POOLER = re.compile(r"-pooler\.|:6543\b|pgbouncer")


@rule("FS107", "url-replaced-by-hand", ast.Call, tier=Tier.OPT_IN, calls={"replace"})
def url_replaced_by_hand(call: ast.Call, file: File) -> Iterator[Problem]:
    """A database URL is rewritten as if it were plain text.

    `replace` changes what it finds wherever it stands, in a password as well, and leaves the options
    that the other driver refuses: `sslmode`, `channel_binding` and `connect_timeout` raise TypeError at
    the first connection of asyncpg.

    Bad:
        url = url.replace("postgresql://", "postgresql+asyncpg://").replace("sslmode=", "ssl=")

    Good:
        url = make_url(url).set(drivername="postgresql+asyncpg")

    Fine:
    Texts that are no URLs of databases.
    """
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "replace" or file.module.facts.trial:
        return
    sought = names.literal(call.args[0]) if call.args else None
    if isinstance(sought, str) and REWRITTEN.search(sought):
        yield Problem(
            call,
            f"`{sought}` is replaced wherever it stands, in a password too, and options of the driver stay.",
            'Write `make_url(url).set(drivername="...")`, and give the options to `connect_args`.',
        )


@rule(
    "FS108",
    "pooler-with-prepared-statements",
    ast.Call,
    severity=Severity.ERROR,
    tier=Tier.PREVIEW,
    calls={CREATE_ASYNC},
)
def pooler_with_prepared_statements(call: ast.Call, file: File) -> Iterator[Problem]:
    """An engine of asyncpg keeps prepared statements, and a pooler stands between.

    A pooler in transaction mode (PgBouncer, Neon's `-pooler` hosts, Supabase's port 6543) gives each
    transaction another connection, which does not know the statements: DuplicatePreparedStatementError or
    InvalidSQLStatementNameError, under load only.

    Bad:
        engine = create_async_engine("postgresql+asyncpg://app@ep-1-pooler.neon.tech/app")

    Good:
        engine = create_async_engine(
            "postgresql+asyncpg://app@ep-1-pooler.neon.tech/app",
            connect_args={"statement_cache_size": 0},
        )

    Fine:
    psycopg, and hosts without a pooler.
    """
    if file.module.address(call.func) != CREATE_ASYNC:
        return
    given = names.argument(call, 0, "url")
    url = text_of(given, file.module, call)
    if url is None or given is None or scheme_of(url)[1] != "asyncpg" or not POOLER.search(url):
        return
    if "statement_cache_size" not in file.module.text(call) and "statement_cache_size" not in url:
        yield Problem(
            given,
            "The pooler changes the connection at each transaction: DuplicatePreparedStatementError.",
            'Add `connect_args={"statement_cache_size": 0}`.',
        )


@rule("FS109", "sqlite-without-foreign-keys", ast.Call, tier=Tier.OPT_IN, calls=CREATORS)
def sqlite_without_foreign_keys(call: ast.Call, file: File) -> Iterator[Problem]:
    """An engine of SQLite is made, and nothing turns foreign keys on.

    SQLite does not look at foreign keys unless each connection is told to: rows that refer to nothing are
    stored, and `ondelete` does nothing. Tests pass that fail on PostgreSQL.

    Bad:
        engine = create_engine("sqlite:///app.db")

    Good:
        engine = create_engine("sqlite:///app.db")

        @event.listens_for(engine, "connect")
        def foreign_keys(connection, record):
            connection.execute("PRAGMA foreign_keys=ON")

    Fine:
    Engines of Fieldstone's `Database`, which does it, and databases in memory.
    """
    if file.module.address(call.func) not in CREATORS or file.module.facts.trial:
        return
    given = names.argument(call, 0, "url")
    url = text_of(given, file.module, call)
    if given is None or url is None or scheme_of(url)[0] != "sqlite" or turned_on(file.project):
        return
    if url.endswith(("://", ":memory:")):
        return
    yield Problem(
        given,
        "SQLite looks at no foreign key on these connections: rows that refer to nothing are stored.",
        'Run `PRAGMA foreign_keys=ON` in a listener of `event.listens_for(engine, "connect")`.',
    )


def turned_on(project: Project) -> bool:
    """Whether a file that listens to events of SQLAlchemy speaks of foreign keys."""

    def spoken() -> bool:
        listening = (
            project.module(facts)
            for facts in project.files.values()
            if any(target.startswith("sqlalchemy.event") for target in facts.imports.values())
        )
        return any(module is not None and "foreign_keys" in module.code for module in listening)

    return project.remember("foreign_keys", spoken, False)


@rule("FS110", "create-all-beside-migrations", ast.Attribute, tier=Tier.OPT_IN, attributes={"create_all"})
def create_all_beside_migrations(node: ast.Attribute, file: File) -> Iterator[Problem]:
    """Tables are made by `create_all` in a project that has migrations.

    Whichever comes first, the other fails or does too little: `upgrade` finds tables that it wants to make
    (ProgrammingError, OperationalError), or `create_all` leaves existing tables without their new columns.
    Two workers that start at once make the same table.

    Bad:
        def on_startup():
            SQLModel.metadata.create_all(engine)

    Good:
        def on_startup():
            pass  # `alembic upgrade head` has run before

    Fine:
    Tests, scripts, and projects without migrations.
    """
    if file.module.facts.trial or by_hand(node, file.module):
        return
    spelled = names.dotted(node) or ""
    if "metadata" in spelled.lower() and any(facts.revision for facts in file.project.files.values()):
        yield Problem(
            node,
            "`create_all` makes tables beside the migrations: `upgrade` then fails on what exists.",
            "Leave it out, and run `alembic upgrade head` before the application starts.",
        )
