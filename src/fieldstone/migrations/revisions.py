"""The revision files of a project, as Alembic reads them.

A file is named by the time it was written, so that a directory listing tells the story; what a
revision is called and what it follows stands inside. The template is ours, so a project needs no
directory of Alembic's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError

from fieldstone.migrations.failures import MigrationRefused
from fieldstone.migrations.project import Project

_TEMPLATES = Path(__file__).parent / "templates"
_FILE_NAME = "%(year)d_%(month).2d_%(day).2d_%(hour).2d%(minute).2d_%(rev)s_%(slug)s"


def directory(project: Project) -> ScriptDirectory:
    """Give the project's revisions; the directory need not exist before the first is written."""
    return ScriptDirectory(
        str(_TEMPLATES),
        file_template=_FILE_NAME,
        version_locations=[str(project.versions)],
        timezone="UTC",
        messaging_opts={"quiet": True},
    )


@contextmanager
def understood(project: Project) -> Iterator[None]:
    """Turn what Alembic says about revisions into what is wrong and what to do."""
    try:
        yield
    except (CommandError, RevisionError) as error:
        raise MigrationRefused(_in_our_words(str(error), project)) from error
    except (SyntaxError, ImportError) as error:
        if not str(getattr(error, "filename", None) or "").startswith(str(project.versions)):
            raise
        raise MigrationRefused(f"A revision file cannot be read: {error}. Correct it.") from error


def _in_our_words(text: str, project: Project) -> str:
    if "Can't locate revision" in text:
        return (
            f"{text.removesuffix('.')}: no file in {project.versions} has it. If the database is "
            "ahead of this "
            "checkout, update the checkout. If the name is misspelt, see: fieldstone migrate history"
        )
    if "multiple heads" in text.lower() or "multiple head revisions" in text.lower():
        return (
            "The revisions have several heads: two branches of work each added one after the same revision. "
            "Join them with: fieldstone migrate merge"
        )
    return text


def heads(scripts: ScriptDirectory, project: Project) -> tuple[str, ...]:
    """Name the revisions that nothing follows: one, unless branches of work wait to be merged."""
    with understood(project):
        return tuple(scripts.get_heads())


def title(script: Script) -> str:
    """Give the first line of what a revision says about itself."""
    return script.doc or "without a message"


def file_of(script: Script, project: Project) -> str:
    """Name a revision's file, from the project's root if it lies below."""
    path = Path(script.path)
    return str(path.relative_to(project.root) if path.is_relative_to(project.root) else path)
