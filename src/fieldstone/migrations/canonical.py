"""One text for each CHECK and index, so that what the models say compares with what is stored.

PostgreSQL keeps a parsed form and prints it in its own words (`x IN ('a')` comes back as
`x = ANY (ARRAY['a'::text])`), so nobody can compare texts. The models' version is therefore made
on an empty temporary table with the stored one's columns, and both are read back. SQLite keeps the
text as it was written, so there the texts are compared, without what means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import CheckConstraint, Connection, Constraint, Dialect, Index, Table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex

_TEMPORARY = "fieldstone_compared"


def index_name(index: Index, connection: Connection) -> str | None:
    """Give the name of an index as the database is told it, after convention and truncation."""
    if index.name is None:
        return None
    return unquoted(str(connection.dialect.identifier_preparer.format_index(index)))


def constraint_name(constraint: Constraint, connection: Connection) -> str | None:
    """Give the name of a constraint as the database is told it."""
    formatted = connection.dialect.identifier_preparer.format_constraint(constraint)
    return None if formatted is None else unquoted(str(formatted))


def unquoted(identifier: str) -> str:
    if identifier.startswith('"') and identifier.endswith('"'):
        return identifier[1:-1].replace('""', '"')
    return identifier


def condition(constraint: CheckConstraint, connection: Connection) -> str:
    """Write the condition of a CHECK as the database is told it."""
    return written_for(constraint, connection.dialect)


def written_for(constraint: CheckConstraint, dialect: Dialect) -> str:
    """Write the condition of a CHECK as a kind of database is told it."""
    options = {"literal_binds": True, "include_table": False}
    written = str(constraint.sqltext.compile(dialect=dialect, compile_kwargs=options))
    return written.replace("%%", "%") if dialect.paramstyle in ("format", "pyformat") else written


def applies(constraint: CheckConstraint, dialect: str) -> bool:
    """Say whether a CHECK is meant for this kind of database."""
    rule = constraint._ddl_if
    return rule is None or rule.dialect is None or dialect in _names(rule.dialect)


def _names(dialect: Any) -> tuple[str, ...]:
    return (dialect,) if isinstance(dialect, str) else tuple(dialect)


def plain(sql: str) -> str:
    """Leave out of a text of SQL what means nothing: case of words, spaces, quotes, outer brackets."""
    parts = re.split(r"('(?:[^']|'')*')", sql)
    for position in range(0, len(parts), 2):
        parts[position] = re.sub(r'["`\[\]\s]+', "", parts[position].lower())
    joined = "".join(parts)
    while joined.startswith("(") and _closes_at(joined) == len(joined) - 1:
        joined = joined[1:-1]
    return joined


def readable(sql: str) -> str:
    """Turn a condition that PostgreSQL has printed into one that people, and SQLite, can read."""
    literals: list[str] = []

    def put_away(found: re.Match[str]) -> str:
        literals.append(found[0])
        return f"\x01{len(literals) - 1}\x02"

    kinds = r"(?:text|character varying|bpchar|numeric)(?:\(\d+\))?(?!\[)"
    said = re.sub(r"'(?:[^']|'')*'", put_away, sql)
    for _ in range(2):
        said = re.sub(rf"(?:\(([\w\x01\x02]+)\)|(?<![\w\x02])([\w\x01\x02]+))::{kinds}", r"\1\2", said)
    array, cast = r"ARRAY\[([^\]]*)\]", r"(?:::\w[\w ]*\[\])?"
    said = re.sub(rf"= ANY \((?:\({array}\)|{array}){cast}\)", r"IN (\1\2)", said)
    said = re.sub(r"\x01(\d+)\x02", lambda found: literals[int(found[1])], said)
    while said.startswith("(") and _closes_at(said) == len(said) - 1:
        said = said[1:-1]
    return said


def _closes_at(sql: str) -> int:
    depth = 0
    quoted = False
    for position, character in enumerate(sql):
        if character == "'":
            quoted = not quoted
        elif not quoted:
            depth += (character == "(") - (character == ")")
            if depth == 0:
                return position
    return -1


# What is stored


def stored_checks(connection: Connection, table: Table) -> dict[str, str]:
    """Read the CHECKs of a table of PostgreSQL, by name, in the server's words."""
    rows = connection.execute(
        text(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE contype = 'c' AND conrelid = CAST(:name AS regclass)"
        ),
        {"name": _qualified(connection, table)},
    )
    return {str(row[0]): _without_validity(str(row[1])) for row in rows}


def stored_indexes(connection: Connection, table: Table) -> dict[str, str]:
    """Read the indexes of a table, by name; those that belong to a constraint are left out."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(
            text(
                "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :t AND sql "
                "IS NOT NULL"
            ),
            {"t": table.name},
        )
        return {str(row[0]): plain(_index_tail(str(row[1]))) for row in rows}
    rows = connection.execute(
        text(
            "SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON "
            "c.oid = i.indexrelid "
            "WHERE i.indrelid = CAST(:name AS regclass) AND NOT EXISTS "
            "(SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))"
        ),
        {"name": _qualified(connection, table)},
    )
    return {str(row[0]): _definition(str(row[1])) for row in rows}


# What the models say, in the database's words


def wanted_checks(connection: Connection, table: Table, conditions: Mapping[str, str]) -> dict[str, str]:
    """Let PostgreSQL read and print conditions; one that it cannot read (a new column) is left out."""
    made = {
        name: f'ALTER TABLE {_TEMPORARY} ADD CONSTRAINT "{name}" CHECK ({written})'
        for name, written in conditions.items()
    }
    query = (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "  # noqa: S608  # of a revision
        f"WHERE contype = 'c' AND conrelid = CAST('{_TEMPORARY}' AS regclass)"
    )
    return {
        name: _without_validity(found) for name, found in _read_back(connection, table, made, query).items()
    }


def wanted_indexes(connection: Connection, table: Table, indexes: Mapping[str, Index]) -> dict[str, str]:
    """Give the models' indexes in the form of stored_indexes."""
    written = {
        name: str(CreateIndex(index).compile(dialect=connection.dialect)) for name, index in indexes.items()
    }
    if connection.dialect.name == "sqlite":
        return {name: plain(_index_tail(sql)) for name, sql in written.items()}
    made = {
        name: re.sub(
            r"^\s*CREATE (UNIQUE )?INDEX (?:CONCURRENTLY )?(.+?) ON (.+?) (USING|\()",
            rf"CREATE \1INDEX \2 ON {_TEMPORARY} \4",
            sql.replace("%%", "%"),
            count=1,
            flags=re.DOTALL,
        )
        for name, sql in written.items()
    }
    query = (
        "SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = "  # noqa: S608  # of a revision
        ""  # no word from a client
        "i.indexrelid "
        f"WHERE i.indrelid = CAST('{_TEMPORARY}' AS regclass)"
    )
    return {name: _definition(found) for name, found in _read_back(connection, table, made, query).items()}


def _read_back(connection: Connection, table: Table, made: Mapping[str, str], query: str) -> dict[str, str]:
    outer = connection.begin_nested()
    try:
        connection.execute(
            text(f"CREATE TEMPORARY TABLE {_TEMPORARY} (LIKE {_qualified(connection, table)})")
        )
        for statement in made.values():
            try:
                with connection.begin_nested():
                    connection.exec_driver_sql(escaped(statement, connection))
            except DBAPIError:
                continue
        return {str(row[0]): str(row[1]) for row in connection.execute(text(query))}
    finally:
        outer.rollback()


def escaped(statement: str, connection: Connection) -> str:
    """Keep a driver whose placeholders begin with % from looking for them."""
    return (
        statement.replace("%", "%%") if connection.dialect.paramstyle in ("format", "pyformat") else statement
    )


def _qualified(connection: Connection, table: Table) -> str:
    return connection.dialect.identifier_preparer.format_table(table)


def _without_validity(definition: str) -> str:
    return definition.removesuffix(" NOT VALID")


def _definition(sql: str) -> str:
    """Leave out of CREATE INDEX what names the index and its table."""
    unique = "UNIQUE " if sql.startswith("CREATE UNIQUE") else ""
    return unique + sql[sql.index(" USING ") + 1 :]


def _index_tail(sql: str) -> str:
    unique = "unique " if re.match(r"\s*CREATE\s+UNIQUE", sql, re.IGNORECASE) else ""
    found = re.search(
        r"\sON\s+(?:\"(?:[^\"]|\"\")+\"|\[[^\]]+\]|`[^`]+`|\S+?)\s*(\(.*)$", sql, re.IGNORECASE | re.DOTALL
    )
    return unique + (found[1] if found else sql)
