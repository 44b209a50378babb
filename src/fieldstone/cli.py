"""The `fieldstone` command: one word per room, and a room is imported when its word is said.

So `fieldstone --help` is quick, and a word whose optional part is not installed is still listed.
Each room gives a Typer application. An error of Fieldstone's ends the command with its text and
exit code 2; what is no such error is a fault of ours, and keeps its traceback.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fieldstone.errors import FieldstoneError, MissingExtra

try:
    import typer
    from typer.core import TyperCommand, TyperGroup
    from typer.main import get_command
except ModuleNotFoundError as error:
    raise SystemExit(str(MissingExtra("The command", module=error.name or "typer", extra="cli"))) from None


@dataclass(frozen=True)
class Room:
    """The module that has the room's application as `app`, the extra it needs, and what it is for."""

    module: str
    extra: str
    help: str


ROOMS: Mapping[str, Room] = {
    "check": Room("fieldstone.check.command", "cli", "Find pitfalls in source, without importing it."),
    "language-server": Room(
        "fieldstone.check.languageserver", "editor", "Underline pitfalls in an editor, as one types."
    ),
    "migrate": Room(
        "fieldstone.migrations.commands", "migrations", "Create, review, apply and undo migrations."
    ),
    "rule": Room("fieldstone.check.explaining", "cli", "Explain a rule of the check."),
}


class Rooms(TyperGroup):
    """List the words, and load the room of the one that is said."""

    def __init__(self, **attributes: Any) -> None:
        listed = {word: TyperCommand(word, help=room.help) for word, room in ROOMS.items()}
        super().__init__(**{**attributes, "commands": listed})

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        word, listed, rest = super().resolve_command(ctx, args)
        return word, _loaded(ROOMS[word]) if word else listed, rest

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except FieldstoneError as error:
            typer.secho(str(error), fg=typer.colors.RED, err=True)
            raise typer.Exit(2) from error


def _loaded(room: Room) -> Any:
    try:
        return get_command(importlib.import_module(room.module).app)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("fieldstone"):
            raise
        raise MissingExtra("This command", module=error.name, extra=room.extra) from error


app = typer.Typer(cls=Rooms, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata  # takes longer to import than all the rest

        typer.echo(f"fieldstone {metadata.version('fieldstone')}")
        raise typer.Exit


@app.callback()
def fieldstone(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Work on a project that uses Fieldstone."""


def main() -> None:
    """Run the command; what [project.scripts] names."""
    app(prog_name="fieldstone")
