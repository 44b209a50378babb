"""`fieldstone migrate`: the verbs of migrations for a person at a terminal.

The database is the one that DATABASE_URL names. Questions are asked only where somebody can answer;
elsewhere the same question is an error that says with which option to answer it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fieldstone.database import Database
from fieldstone.migrations import verbs
from fieldstone.migrations.failures import MigrationRefused, Undecided, shown
from fieldstone.migrations.project import read
from fieldstone.migrations.revisions import directory, file_of, heads, title, understood
from fieldstone.migrations.running import Course, Ran, run
from fieldstone.migrations.scripting import sql_of

app = typer.Typer(
    no_args_is_help=True, help="Create, review, apply and undo migrations.", pretty_exceptions_enable=False
)
out = Console(highlight=False, soft_wrap=True)

Target = Annotated[str, typer.Argument(help="A revision, a number of steps (+1, -1), head or base.")]


@app.command()
def new(
    message: Annotated[str, typer.Argument(help="What the revision does, in a few words.")],
    rename: Annotated[list[str], typer.Option(help="table.old=new, or old=new for a table.")] = [],  # noqa: B006  # Typer copies it
    rename_value: Annotated[list[str], typer.Option(help="table.column:old=new.")] = [],  # noqa: B006
    fill: Annotated[list[str], typer.Option(help="table.column=value for rows that are there.")] = [],  # noqa: B006
    zone: Annotated[list[str], typer.Option(help="table.column=Europe/Berlin for naive datetimes.")] = [],  # noqa: B006
    drop: Annotated[list[str], typer.Option(help="What may go although it looks renamed.")] = [],  # noqa: B006
    empty: Annotated[
        bool, typer.Option("--empty", help="Write an empty revision, to be filled by hand.")
    ] = False,
) -> None:
    """Write a revision that leads from the database to the models."""
    renames, fills, zones, drops = list(rename), _pairs(fill, "--fill"), _pairs(zone, "--zone"), list(drop)
    values = _values(rename_value)
    files: list[Path] | None = None
    with Database() as database:
        while files is None:
            try:
                files = verbs.new(
                    database,
                    message,
                    rename=renames,
                    rename_values=values,
                    fill=fills,
                    zone=zones,
                    drop=drops,
                    empty=empty,
                )
            except Undecided as question:
                if not _somebody_is_there():
                    raise
                _answer(question, renames, values, fills, zones, drops)
    if not files:
        out.print("The database is what the models say; there is nothing to write.")
    for file in files:
        out.print(f"Wrote {_beside(file)}")
    if files:
        out.print("Read it, then run: fieldstone migrate up")


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()


def _answer(
    question: Undecided,
    renames: list[str],
    values: dict[str, dict[str, str]],
    fills: dict[str, str],
    zones: dict[str, str],
    drops: list[str],
) -> None:
    if question.kind == "fill":
        fills[question.subject] = typer.prompt(f"Value of {question.subject} for the rows that are there")
    elif question.kind == "zone":
        zones[question.subject] = typer.prompt(f"Time zone of {question.subject}", default="UTC")
    else:
        for choice in question.choices:
            if typer.confirm(f"Was {question.subject} renamed ({choice})?"):
                if ":" in choice:
                    _add_value(values, choice)
                else:
                    renames.append(choice)
                return
        if not typer.confirm(f"Then drop {question.subject} with all its values?"):
            raise typer.Abort
        drops.append(question.subject)


def _pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name.count(".") != 1:
            raise MigrationRefused(f"{option} {text!r} is not understood. Write table.column=value.")
        found[name] = value
    return found


def _values(texts: Iterable[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        _add_value(found, text)
    return found


def _add_value(found: dict[str, dict[str, str]], text: str) -> None:
    column, colon, pair = text.partition(":")
    old, equals, fresh = pair.partition("=")
    if not colon or not equals or column.count(".") != 1:
        raise MigrationRefused(f"--rename-value {text!r} is not understood. Write table.column:old=new.")
    found.setdefault(column, {})[old] = fresh


@app.command()
def adopt(message: Annotated[str, typer.Argument(help="What it is called.")] = "What was there") -> None:
    """Take over a database that has tables and no history."""
    with Database() as database:
        found = verbs.adopt(database, message)
    if isinstance(found, Path):
        out.print(f"Wrote {_beside(found)}, and recorded the database as being there.")
    else:
        out.print(f"The tables are those of {found}; the database is recorded as being there.")
    out.print("See what the models want otherwise with: fieldstone migrate check")


@app.command()
def up(
    target: Target = "head",
    wait: Annotated[float, typer.Option(help="Seconds to wait for other processes.")] = 600.0,
) -> None:
    """Run the revisions that are still to be run."""
    _run(Course("upgrade", target, wait, starting=_tell("Running"), notify=_notify))


@app.command(context_settings={"ignore_unknown_options": True})
def down(
    target: Target = "-1",
    wait: Annotated[float, typer.Option(help="Seconds to wait for other processes.")] = 600.0,
) -> None:
    """Undo revisions: the last one, or down to a target."""
    _run(Course("downgrade", target, wait, starting=_tell("Undoing"), notify=_notify))


def _run(course: Course) -> None:
    project = read()
    with Database() as database:
        done: list[Ran] = verbs.on(database, lambda connection: run(connection, project, course))
    if not done:
        out.print("Nothing to do.")
    for each in done:
        out.print(f"{each.revision}  {each.seconds:6.2f} s  {each.title}")


def _tell(word: str) -> Callable[[str, str], None]:
    return lambda revision, name: out.print(f"{word} {revision} {name} ...", style="dim")


def _notify(text: str) -> None:
    out.print(text, style="yellow")


@app.command()
def status() -> None:
    """Say where the database stands, and what is still to be run."""
    with Database() as database:
        here = verbs.status(database)
        out.print(f"Database {database.url}")
    out.print(f"is at    {shown(here.current)}")
    if here.up_to_date:
        out.print("and has nothing left to run.")
    for revision, name in here.pending:
        out.print(f"to run   {revision}  {name}")


@app.command()
def history() -> None:
    """List all revisions, the newest first."""
    project = read()
    scripts = directory(project)
    if not heads(scripts, project):
        out.print("There are no revisions yet. Write the first with: fieldstone migrate new 'Start'")
        return
    table = Table("revision", "after", "what", "file", box=None)
    with understood(project):
        for script in scripts.walk_revisions():
            after = script.down_revision
            before = after if isinstance(after, str) else ", ".join(after or ())
            cells = (script.revision, before, title(script), file_of(script, project))
            table.add_row(*(Text(cell) for cell in cells))
    out.print(table)


@app.command()
def check() -> None:
    """Compare models and database; exit code 1 where they differ."""
    with Database() as database:
        found = verbs.differences(database)
    if not found:
        out.print("The database is what the models say.")
        return
    places = "1 place" if len(found) == 1 else f"{len(found)} places"
    out.print(f"The database is not what the models say, in {places}:")
    for line in found:
        out.print(Text(f"  {line}"))
    out.print("Write a revision with: fieldstone migrate new")
    raise typer.Exit(1)


@app.command()
def lint(
    since: Annotated[str | None, typer.Option(help="Look only at what follows this revision.")] = None,
    dialect: Annotated[str, typer.Option(help="For users of postgresql or sqlite.")] = "postgresql",
) -> None:
    """Look at revisions before they run; exit code 1 where one is dangerous."""
    found = verbs.lint(since=since, dialect=dialect)
    for finding in found:
        out.print(Text(str(finding)))
    if found:
        number = "1 dangerous operation" if len(found) == 1 else f"{len(found)} dangerous operations"
        out.print(f"{number}. Accept one with: with steps.safety_assured('why'):")
        raise typer.Exit(1)
    out.print("Nothing dangerous was found.")


@app.command()
def sql(
    target: Annotated[str, typer.Argument(help="A range of revisions, such as abc:head.")] = "base:head",
    dialect: Annotated[str, typer.Option(help="postgresql or sqlite.")] = "postgresql",
) -> None:
    """Print the SQL of revisions instead of running it."""
    typer.echo(sql_of(read(), target, dialect), nl=False)


@app.command()
def merge(message: Annotated[str, typer.Argument(help="What is joined.")] = "Merge") -> None:
    """Join several heads in one revision."""
    file = verbs.merge(message)
    out.print(f"Wrote {_beside(file)}" if file else "There is one head; nothing is to be joined.")


@app.command()
def stamp(target: Target = "head") -> None:
    """Record that the database is at a revision, without running anything."""
    with Database() as database:
        out.print(f"The database is recorded as being at {shown(verbs.stamp(database, target))}.")


def _beside(file: Path) -> str:
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)
