"""Projects that have data already go over to Fieldstone's migrations without losing a row.

Two are made here as a newcomer would have them: one whose tables come from create_all, and one with
a history of Alembic's. Each version of the models is imported by a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from fieldstone import Database
from tests.conftest import FreshUrl
from tests.faces import Dialect
from tests.migrations.workbench import Plain

PROJECT = '[tool.fieldstone]\nmodels = ["shop.models"]\nmigrations = "{migrations}"\n'

BEFORE = """
from datetime import datetime
from enum import Enum
from sqlalchemy import DateTime
from sqlmodel import Field, SQLModel

class Kind(str, Enum):
    SMALL = "small"
    LARGE = "large"

class Customer(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    email: str = Field(unique=True, max_length=80)
    name: str = Field(index=True)

class Parcel(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    customer_id: int = Field(foreign_key="customer.id", ondelete="CASCADE")
    kind: Kind = Kind.SMALL
    weight: float | None = None
    status: str = "packed"
"""

AFTER = """
from enum import Enum
from typing import Literal
from fieldstone import Field, Model

class Kind(str, Enum):
    SMALL = "small"
    LARGE = "large"

class Customer(Model, table=True):
    id: int | None = Field(default=None, primary_key=True)
    email: str = Field(unique=True, max_length=80)
    name: str = Field(index=True, max_length=100)

class Parcel(Model, table=True):
    id: int | None = Field(default=None, primary_key=True)
    customer_id: int = Field(foreign_key="customer.id", ondelete="CASCADE")
    kind: Kind = Kind.SMALL
    weight: float = Field(default=0.0, ge=0)
    status: Literal["packed", "sent"] = "packed"
    insured: bool = False
"""

FILL = """
from sqlmodel import Session, SQLModel
from fieldstone import Database
from shop.models import *
with Database() as database:
    {create}
    with database.transaction() as session:
        session.add(Customer(id=1, email="ada@example.com", name="Ada"))
        session.add(Customer(id=2, email="b@example.com", name="Bob"))
        session.flush()
        session.add(Parcel(id=1, customer_id=1, kind=Kind.LARGE, weight=2.5, status="sent"))
        session.add(Parcel(id=2, customer_id=2))
"""


COMMANDS = """
import json, sys
from typer.testing import CliRunner
from fieldstone.cli import app
outcomes = [CliRunner().invoke(app, ["migrate", *line.split("|")]) for line in sys.argv[1:]]
print(json.dumps([f"{each.exit_code} {each.output or repr(each.exception)}" for each in outcomes]))
"""

SAME = "0 The database is what the models say.\n"


@dataclass
class Newcomer:
    """Somebody at a terminal, in the directory of a project."""

    directory: Path
    url: str

    def writes(self, name: str, content: str) -> None:
        file = self.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def runs(self, *command: str) -> str:
        path = ":".join([*sys.path, str(self.directory)])
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.directory,
            env={"DATABASE_URL": self.url, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def migrates(self, *commands: str) -> list[str]:
        """Run commands, one after the other; give what each says, behind its exit code."""
        said: list[str] = json.loads(self.runs("-c", COMMANDS, *commands))
        return said

    def asks(self, query: str) -> list[tuple[object, ...]]:
        with Database(self.url) as database, database.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture
def newcomer(dialect: Dialect, fresh_url: FreshUrl, tmp_path: Path) -> Newcomer:
    found = Newcomer(tmp_path, fresh_url(dialect))
    found.writes("shop/__init__.py", "")
    found.writes("shop/models.py", BEFORE)
    return found


def goes_over_to_fieldstones_models(newcomer: Newcomer) -> None:
    """Change the models, and go up, down and up over the rows that are there."""
    sizes = "|--rename-value=parcel.kind:SMALL=small|--rename-value=parcel.kind:LARGE=large"
    answers = sizes if newcomer.url.startswith("sqlite") else ""  # PostgreSQL's enum type tells them
    newcomer.writes("shop/models.py", AFTER)
    checked, written, ran, again = newcomer.migrates("check", f"new|Hold the rules{answers}", "up", "check")
    assert checked.startswith("1 ")
    assert "column parcel.insured: is missing in the database" in checked
    assert (written[0], ran[0], again) == ("0", "0", SAME)
    expected = [(1, 1, "large", 2.5, "sent", False), (2, 2, "small", 0.0, "packed", False)]
    query = "SELECT id, customer_id, kind, weight, status, insured FROM parcel ORDER BY id"
    assert newcomer.asks(query) == expected
    newcomer.migrates(f"down|-{written.count('Wrote')}")
    rows = newcomer.asks("SELECT id, customer_id, kind, weight, status FROM parcel ORDER BY id")
    assert rows == [(1, 1, "LARGE", 2.5, "sent"), (2, 2, "SMALL", 0.0, "packed")]
    newcomer.migrates("up")
    assert newcomer.asks(query) == expected
    assert newcomer.asks("SELECT id, email, name FROM customer ORDER BY id") == [
        (1, "ada@example.com", "Ada"),
        (2, "b@example.com", "Bob"),
    ]


def test_a_project_of_create_all_goes_over(newcomer: Newcomer, fresh_url: FreshUrl, dialect: Dialect) -> None:
    newcomer.runs("-c", FILL.format(create="SQLModel.metadata.create_all(database.engine)"))
    newcomer.writes("pyproject.toml", PROJECT.format(migrations="migrations"))
    adopted, status, checked, again = newcomer.migrates("adopt", "status", "check", "adopt")
    assert adopted.startswith("0 Wrote migrations/")
    assert "has nothing left to run" in status
    assert checked == SAME
    assert again.startswith("2 There is a history already")
    goes_over_to_fieldstones_models(newcomer)
    fresh = Newcomer(newcomer.directory, fresh_url(dialect))
    assert fresh.migrates("up", "check")[1] == SAME


def test_a_project_with_a_history_of_alembic_goes_over(newcomer: Newcomer, tmp_path: Path) -> None:
    plain = Plain(newcomer.url, tmp_path)
    newcomer.writes("begin.py", BEGIN)
    newcomer.runs("begin.py", str(plain.directory), plain.url)
    newcomer.runs("-c", FILL.format(create="pass"))
    newcomer.writes("pyproject.toml", PROJECT.format(migrations="plain"))
    status, checked = newcomer.migrates("status", "check")
    assert "has nothing left to run" in status
    assert checked == SAME
    goes_over_to_fieldstones_models(newcomer)
    assert (plain.directory / "env.py").exists()


BEGIN = """
import sys
from pathlib import Path
from alembic import command
from alembic.config import Config
from sqlmodel import SQLModel
import shop.models
directory, url = sys.argv[1:]
config = Config()
config.set_main_option("script_location", directory)
config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
config.attributes["metadata"] = SQLModel.metadata
mako = Path(directory, "script.py.mako")
mako.write_text(mako.read_text().replace("import sqlalchemy", "import sqlmodel\\nimport sqlalchemy"))
command.revision(config, "start", autogenerate=True)
command.upgrade(config, "head")
"""
