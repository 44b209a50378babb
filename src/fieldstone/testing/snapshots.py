"""The schema as text in files beside the tests: no change of it happens unseen, and each stands in review."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, create_mock_engine

OPTION = "--update-schema-snapshot"

_URLS = {"sqlite": "sqlite://", "postgresql": "postgresql://"}


@dataclass(frozen=True)
class SchemaSnapshot:
    """Compare the tables of a metadata with files in a directory, or write these."""

    metadata: MetaData
    directory: Path
    update: bool

    def __call__(self, name: str = "schema") -> None:
        """Fail the test where the tables are not what the files say, for either kind of database."""
        __tracebackhide__ = True
        differences = [
            difference
            for dialect in _URLS
            if (difference := self._difference(self.directory / f"{name}.{dialect}.sql", dialect))
        ]
        if differences:
            pytest.fail(
                "The schema is not what its snapshot says. If that is meant, run pytest again with "
                f"{OPTION} and commit the files.\n" + "\n".join(differences),
                pytrace=False,
            )

    def _difference(self, file: Path, dialect: str) -> str:
        now = ddl(self.metadata, dialect)
        if self.update:
            file.write_text(now, encoding="utf-8")
            return ""
        if not file.exists():
            return f"There is no file {file.name} in {file.parent.name} yet."
        before = file.read_text(encoding="utf-8")
        lines = difflib.unified_diff(
            before.splitlines(), now.splitlines(), file.name, "the models", lineterm=""
        )
        return "\n".join(lines)


def ddl(metadata: MetaData, dialect: str) -> str:
    """Write the statements that create the tables on one kind of database."""
    statements: list[str] = []

    def write(statement: Any, *_arguments: Any, **_options: Any) -> None:
        lines = str(statement.compile(dialect=engine.dialect)).strip().expandtabs(4).splitlines()
        statements.append("\n".join(line.rstrip() for line in lines) + ";\n")

    engine = create_mock_engine(_URLS[dialect], write)
    metadata.create_all(engine, checkfirst=False)
    return "\n".join(statements)
