"""A project that changes its models while rows are there: with Fieldstone, and with plain Alembic.

Each trap is told twice. `Plain` is what `alembic init` gives, with the models named and batch mode on
for SQLite, as its documentation says; `Bench` is Fieldstone. Both go up, down and up again over the
same rows: up first on the sync face, then down and up on the async one, inside an event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import registry

from fieldstone import Database
from fieldstone.migrations import (
    Project,
    differences,
    differences_async,
    downgrade_async,
    new,
    upgrade,
    upgrade_async,
)
from fieldstone.models import NAMING_CONVENTION


def models() -> registry:
    """Give a registry for the tables of one version of a project."""
    return registry(metadata=MetaData(naming_convention=NAMING_CONVENTION))


def plain_models() -> registry:
    """Give one without a naming convention, as SQLModel's own is."""
    return registry(metadata=MetaData())


@dataclass(frozen=True)
class BenchProject(Project):
    """A project whose models are given instead of imported."""

    parts: tuple[MetaData, ...] = ()

    def metadata(self) -> list[MetaData]:
        return list(self.parts)


@dataclass
class Bench:
    """Change a project over rows that are there."""

    database: Database
    directory: Path
    project: BenchProject = field(init=False)

    def __post_init__(self) -> None:
        self.project = BenchProject(("given",), self.directory / "migrations", self.directory)

    @property
    def dialect(self) -> str:
        return self.database.dialect

    def models_are(self, base: Any, *, online: bool | None = None) -> None:
        self.project = BenchProject(
            ("given",), self.directory / "migrations", self.directory, online=online, parts=(base.metadata,)
        )

    def start(self, base: Any, *rows: str) -> None:
        """Make the tables of a first version by a revision, and put rows into them."""
        self.models_are(base)
        self.new("Start")
        upgrade(self.database, project=self.project)
        self.execute(*rows)

    def new(self, message: str = "Change", **answers: Any) -> str:
        """Write a revision, and return what the files say."""
        files = new(self.database, message, project=self.project, **answers)
        return "\n".join(file.read_text() for file in files)

    def change(self, base: Any, *, online: bool | None = None, **answers: Any) -> str:
        """Write the revision that leads to other models, go up, down and up, and compare each time."""
        before, earlier = self.project, self.rows()
        self.models_are(base, online=online)
        said = self.new(**answers)
        written = said.count("def upgrade()")
        self.up()
        after = self.rows()
        asyncio.run(self._down_and_up(before, written))
        assert self.came_back.keys() == earlier.keys()
        assert self.rows().keys() == after.keys()
        return said

    async def _down_and_up(self, before: BenchProject, written: int) -> None:
        async with Database(self.database.url) as database:
            await downgrade_async(database, f"-{written}", project=self.project)
            assert await differences_async(database, project=before) == []
            self.came_back = self.rows()
            await upgrade_async(database, project=self.project)
            assert await differences_async(database, project=self.project) == []

    def up(self) -> None:
        upgrade(self.database, project=self.project)
        assert differences(self.database, project=self.project) == []

    def execute(self, *statements: str) -> None:
        with self.database.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.database.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Read every row of every table."""
        names = (
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            if self.dialect == "sqlite"
            else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        tables = sorted(str(row[0]) for row in self.ask(names))
        return {
            table: sorted(self.ask(f'SELECT * FROM "{table}"'), key=repr)
            for table in tables
            if table != "alembic_version"
        }


class Plain:
    """Do the same with Alembic as its documentation says."""

    def __init__(self, url: str, directory: Path) -> None:
        parts = make_url(url)
        if parts.drivername == "postgresql":
            parts = parts.set(drivername="postgresql+psycopg")
        self.url = parts.render_as_string(hide_password=False)
        self.directory = directory / "plain"
        self.config = Config()
        self.config.set_main_option("script_location", str(self.directory))
        self.config.set_main_option("sqlalchemy.url", self.url.replace("%", "%%"))
        self.config.attributes["metadata"] = MetaData()
        self.config.config_file_name = str(directory / "alembic.ini")
        command.init(self.config, str(self.directory))
        self.config.config_file_name = None
        env = self.directory / "env.py"
        source = env.read_text().replace(
            "target_metadata = None", 'target_metadata = config.attributes["metadata"]'
        )
        env.write_text(
            source.replace(
                "connection=connection, target_metadata=target_metadata",
                "connection=connection, target_metadata=target_metadata, render_as_batch=True",
            )
        )

    def start(self, base: Any, *rows: str) -> None:
        self.revision(base)
        self.up()
        self.execute(*rows)

    def revision(self, base: Any) -> str:
        """Let Alembic write a revision, and return its file's text."""
        self.config.attributes["metadata"] = base.metadata
        script: Any = command.revision(self.config, "change", autogenerate=True)
        return Path(script.path).read_text()

    def change(self, base: Any) -> str:
        """Write the revision that leads to other models, and go up, down and up."""
        said = self.revision(base)
        self.up()
        command.downgrade(self.config, "-1")
        self.up()
        return said

    def up(self) -> None:
        command.upgrade(self.config, "head")

    def execute(self, *statements: str) -> None:
        engine = create_engine(self.url)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        engine = create_engine(self.url)
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(text(query))]
        engine.dispose()
        return found

    @property
    def heads(self) -> Sequence[str]:
        return ScriptDirectory.from_config(self.config).get_heads()
