"""`fieldstone migrate`, as a person at a terminal meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fieldstone.cli import app
from fieldstone.migrations import commands
from tests.conftest import FreshUrl
from tests.faces import Dialect
from tests.migrations.test_running import write_story

MODELS = """
from sqlalchemy import MetaData
from sqlalchemy.orm import registry
from fieldstone import Field, Model

class Base(Model, registry=registry(metadata=MetaData())):
    pass

class Task(Base, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
"""


def says(*words: str, code: int = 0) -> str:
    outcome = CliRunner().invoke(app, ["migrate", *words])
    assert outcome.exit_code == code, outcome.output or repr(outcome.exception)
    return outcome.output


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dialect: Dialect, fresh_url: FreshUrl) -> Path:
    """Give a project with models and without revisions, as the working directory."""
    name = f"models_of_{tmp_path.name}"
    (tmp_path / "migrations").mkdir()
    (tmp_path / f"{name}.py").write_text(MODELS)
    (tmp_path / "pyproject.toml").write_text(f'[tool.fieldstone]\nmodels = "{name}:Base"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("DATABASE_URL", fresh_url(dialect))
    return tmp_path


def test_a_first_revision_is_written_read_and_run(directory: Path) -> None:
    said = says("new", "Start here")
    (file,) = (directory / "migrations").glob("*.py")
    assert said == f"Wrote migrations/{file.name}\nRead it, then run: fieldstone migrate up\n"
    revision = file.name.split("_")[4]
    assert f"to run   {revision}  Start here" in says("status")
    assert says("up").startswith(f"Running {revision} Start here ...\n{revision} ")
    assert "and has nothing left to run." in says("status")
    assert says("check") == "The database is what the models say.\n"
    assert says("new", "Again") == "The database is what the models say; there is nothing to write.\n"
    assert says("up") == "Nothing to do.\n"
    assert says("lint") == "Nothing dangerous was found.\n"
    assert f"{revision}" in says("history")
    assert "CREATE TABLE task" in says("sql")
    assert says("down").startswith(f"Undoing {revision} Start here ...\n")
    assert "column" not in says("check", code=1)
    assert says("stamp") == f"The database is recorded as being at {revision}.\n"
    assert says("merge") == "There is one head; nothing is to be joined.\n"


def test_relative_targets_are_no_options(directory: Path) -> None:
    write_story(directory / "migrations")
    assert says("up", "+2").count("Running") == 2
    assert says("up").count("Running") == 1
    assert says("down", "-2").count("Undoing") == 2
    assert says("down", "base").count("Undoing") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("new", "x", "--fill", "nothing"), "--fill 'nothing' is not understood. Write table.column=value."),
        (("new", "x", "--rename-value", "a=b"), "Write table.column:old=new."),
        (("up", "nowhere"), "no file in"),
        (("sql", "--dialect", "oracle"), "There is no SQL for 'oracle'. Choose one of: postgresql, sqlite."),
        (("sql", "nowhere:head"), "Can't locate revision identified by 'nowhere': no file in"),
        (("lint", "--dialect", "mysql"), "Nothing is known of 'mysql'. Choose one of: postgresql, sqlite."),
        (("lint", "--since", "nowhere"), "Can't locate revision identified by 'nowhere': no file in"),
        (("up", "+3"), "There are not 3 revisions left to run. See what there is: fieldstone migrate status"),
        (("up", "base"), "'base' does not lie up from anywhere. Did you mean: fieldstone migrate down base"),
        (("down",), "There is no revision to undo. See what there is: fieldstone migrate status"),
        (("down", "-5"), "There are not 5 revisions to undo."),
        (("down", "nowhere"), "Can't locate revision identified by 'nowhere': no file in"),
        (
            ("down", "head"),
            "'head' does not lie down from anywhere. Did you mean: fieldstone migrate up",
        ),
        (("stamp", "nowhere"), "Can't locate revision identified by 'nowhere': no file in"),
        (("new", "x", "--fill", "task.titel=y"), "no model has this column. Did you mean task.title?"),
        (("new", "x", "--zone", "a.b=UTC"), "no model has this column. Write a table, a dot and a column."),
        (("adopt",), "The database has no tables, so there is nothing to take over."),
    ],
)
def test_a_mistake_is_told_with_its_remedy(directory: Path, words: tuple[str, ...], message: str) -> None:
    assert message in says(*words, code=2)


CHANGED = MODELS.replace("title: str", "name: str\n    priority: int")


def test_at_a_terminal_questions_are_asked(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_somebody_is_there", lambda: True)
    says("new", "Start")
    says("up")
    changed = f"changed_{directory.name}"
    (directory / f"{changed}.py").write_text(CHANGED)
    (directory / "pyproject.toml").write_text(f'[tool.fieldstone]\nmodels = "{changed}:Base"\n')
    outcome = CliRunner().invoke(app, ["migrate", "new", "Change"], input="y\n3\n")
    assert outcome.exit_code == 0, outcome.output
    assert "Was task.title renamed (task.title=name)? [y/N]: y" in outcome.output
    assert "Value of task.priority for the rows that are there: 3" in outcome.output
    says("up")
    assert says("check") == "The database is what the models say.\n"
    assert "--rename" not in outcome.output


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "",
            "has no [tool.fieldstone], so nothing says where the models are. Add:\n\n[tool.fieldstone]\n",
        ),
        ("[tool.fieldstone]\n", "does not say where the models are. Add:"),
        (
            "[tool.fieldstone]\nmodel = 'a'\n",
            "sets 'model', which is unknown. It may set: migrations, models",
        ),
        ("[tool.fieldstone]\nmodels = 'nowhere.models'\n", "there is no module 'nowhere' in"),
        (
            "[tool.fieldstone]\nmodels = 'json:dumps'\n",
            "'dumps' is neither a MetaData nor a class that has one",
        ),
        ("[tool.fieldstone\n", "is no TOML:"),
        (
            "[tool.fieldstone]\nmodels = 'json'\nmigrations = 3\n",
            "sets migrations = 3, which is of another kind",
        ),
        ("[tool.fieldstone]\nmodels = 'json'\nonline = 'yes'\n", "Write it like: online = true"),
        (
            "[tool.fieldstone]\nmodels = 'broken'\n",
            "fails: ZeroDivisionError: division by zero (",
        ),
        (
            "[tool.fieldstone]\nmodels = 'halfway'\n",
            "ModuleNotFoundError: No module named 'nowhere' (",
        ),
    ],
)
def test_a_project_that_is_not_set_up_is_told_how(directory: Path, content: str, message: str) -> None:
    (directory / "pyproject.toml").write_text(content)
    (directory / "broken.py").write_text("1 / 0\n")
    (directory / "halfway.py").write_text("import nowhere\n")
    assert message in says("new", "Start", code=2)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_a_revision_that_is_no_python_is_named(directory: Path) -> None:
    (directory / "migrations" / "bad.py").write_text("revision = \n")
    assert "A revision file cannot be read: invalid syntax (bad.py, line 1)" in says("up", code=2)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_the_lint_says_what_where_why_and_what_instead(directory: Path) -> None:
    says("new", "Start")
    says("up")
    name = next(directory.glob("models_of_*.py")).stem
    says("new", "Drop", "--empty")
    file = next((directory / "migrations").glob("*_drop.py"))
    file.write_text(file.read_text().replace("pass", "op.drop_table('task')", 1))
    said = says("lint", code=1)
    assert said.startswith(
        f"migrations/{file.name}: drops the table 'task' (drop-table)\n    why   All its rows are lost"
    )
    assert "with steps.safety_assured(" in said
    assert "1 dangerous operation." in said
    assert name


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_the_settings_of_other_rooms_are_left_alone(directory: Path) -> None:
    file = directory / "pyproject.toml"
    file.write_text(f"{file.read_text()}\n[tool.fieldstone.check]\nexclude = ['tests']\n")
    assert says("new", "Start").startswith("Wrote migrations/")


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1\n", "more.py stands among the revisions and is none: it sets no 'revision'"),
        (
            "revision = 'more'\ndown_revision = 'gone'\n",
            "A revision says that it follows 'gone', and no file in",
        ),
    ],
)
def test_what_is_wrong_among_the_revisions_is_named(directory: Path, content: str, message: str) -> None:
    (directory / "migrations" / "more.py").write_text(content)
    for command in ("up", "status", "history", "lint"):
        assert message in says(command, code=2)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////nowhere/app.db", "SQLite cannot use its file: unable to open database file"),
        ("postgresql://me:secret@127.0.0.1:1/app", "127.0.0.1"),
    ],
)
def test_a_database_that_cannot_be_had_is_told_without_a_traceback(
    directory: Path, monkeypatch: pytest.MonkeyPatch, url: str, message: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("FIELDSTONE_CONNECT_ATTEMPTS", "1")
    for command in (("up",), ("status",), ("new", "Start")):
        said = says(*command, code=2)
        assert message in said
        assert "secret" not in said


def test_the_sql_of_a_way_down_is_given_as_well(directory: Path) -> None:
    write_story(directory / "migrations")
    assert "DROP TABLE task" in says("sql", "head:base")
    assert "DROP TABLE task" not in says("sql", "three:one")
    assert "DROP INDEX" in says("sql", "three:two")
    assert "CREATE INDEX" in says("sql", "two:three")
    assert "CREATE TABLE task" in says("sql")


def test_history_says_how_to_begin(directory: Path) -> None:
    assert says("history").startswith("There are no revisions yet. Write the first with:")


def test_tables_of_create_all_are_recognised_by_up_and_adopt(directory: Path) -> None:
    says("new", "Start")
    says("up")
    says("stamp", "base")
    said = says("up", code=2)
    assert "failed: " in said
    assert "record which revision they are at: fieldstone migrate adopt" in said
    assert says("adopt").startswith("The tables are those of ")
    assert "has nothing left to run" in says("status")
    assert "There is a history already" in says("adopt", code=2)
