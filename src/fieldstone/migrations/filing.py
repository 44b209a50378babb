"""Revision files: a draft's steps, written down as Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic.script import ScriptDirectory
from alembic.util import rev_id
from sqlalchemy import Connection

from fieldstone.migrations.arranging import Step, arranged
from fieldstone.migrations.project import Project
from fieldstone.migrations.renaming import Rename
from fieldstone.migrations.rendering import Writer
from fieldstone.migrations.revisions import directory, understood


@dataclass(frozen=True)
class Draft:
    """What a revision would hold: the steps of a transaction, and those that follow it online."""

    steps: tuple[Step, ...]
    online: tuple[Step, ...]
    candidates: tuple[Rename, ...]

    @property
    def empty(self) -> bool:
        return not self.steps and not self.online


def write(
    connection: Connection,
    project: Project,
    message: str,
    plan: Draft,
    *,
    scripts: ScriptDirectory | None = None,
) -> list[Path]:
    """Write a draft as one revision, or as two where some of it must run outside a transaction."""
    scripts = scripts or directory(project)
    project.versions.mkdir(parents=True, exist_ok=True)
    parts = [(message, plan.steps), (f"{message}, online" if plan.steps else message, plan.online)]
    wanted = [part for part in parts if part[1]] or [(message, ())]
    return [_write_one(connection, project, scripts, title, steps) for title, steps in wanted]


def _write_one(
    connection: Connection, project: Project, scripts: ScriptDirectory, message: str, steps: Sequence[Step]
) -> Path:
    writer = Writer(connection, project.metadata())
    up, down = writer.body(arranged(steps, down=False)), writer.body(arranged(steps, down=True))
    with understood(project):
        script = scripts.generate_revision(
            rev_id(),
            message.replace('"""', "'''"),
            head="head",
            upgrades=_within(up),
            downgrades=_within(down),
            imports="\n".join(writer.imports),
        )
    assert script is not None
    return Path(script.path)


def _within(body: str) -> str:
    return body.replace("\n", "\n    ")
