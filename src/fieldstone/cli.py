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

    def get_params(self, ctx: Any) -> list[Any]:
        return [_quick(parameter) for parameter in super().get_params(ctx)]

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
        command = get_command(importlib.import_module(room.module).app)
        ordinary = command.get_params
        command.get_params = lambda ctx: [_quick(one) for one in ordinary(ctx)]  # type: ignore[method-assign]  # of this one
        return command
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("fieldstone"):
            raise
        raise MissingExtra("This command", module=error.name, extra=room.extra) from error


class _AsGiven:
    """Takes what needs no conversion as it is.

    To convert, Typer imports Pydantic, which takes longer than all the rest of a command that has little to
    do. What nobody gave is its default, and a list of texts is one already; anything else Typer converts.
    """

    def __init__(self, parameter: Any) -> None:
        self.ordinary = parameter.get_runtime_param

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Convert a value, as Typer's own does."""
        source = ctx.get_parameter_source(param.name)
        if value is None or source is None or source.name == "DEFAULT":
            return () if value is None and (param.multiple or param.nargs == -1) else value
        if param.type_descriptor.annotation == list[str] and not isinstance(value, str):
            return [*value]
        return self.ordinary().coerce(value, param=param, ctx=ctx)


def _quick(parameter: Any) -> Any:
    """Convert values of a parameter without Pydantic where that can be."""
    if "get_runtime_param" not in vars(parameter):
        given = _AsGiven(parameter)
        parameter.get_runtime_param = lambda: given
    return parameter


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
