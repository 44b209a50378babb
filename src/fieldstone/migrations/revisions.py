"""The revision files of a project, as Alembic reads them.

A file is named by the time it was written, so that a directory listing tells the story; what a
revision is called and what it follows stands inside. The template is ours, so a project needs no
directory of Alembic's own.
"""

from __future__ import annotations

import re
import traceback
import warnings
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
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Revision .* is not present")  # said below
            yield
    except (CommandError, RevisionError) as error:
        raise MigrationRefused(_in_our_words(error, project)) from error
    except KeyError as error:
        if "_revision_map" not in _functions(error):
            raise
        raise MigrationRefused(
            f"A revision says that it follows {error.args[0]!r}, and no file in {project.versions} has that "
            "one. Bring the file back, or correct down_revision in the one that names it."
        ) from error
    except (SyntaxError, ImportError) as error:
        if not str(getattr(error, "filename", None) or "").startswith(str(project.versions)):
            raise
        raise MigrationRefused(f"A revision file cannot be read: {error}. Correct it.") from error


def _functions(error: BaseException) -> set[str]:
    return {frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)}


def _in_our_words(error: Exception, project: Project) -> str:
    text = str(error)
    unknown = re.search(r"(?:Can't locate revision identified by|No such revision or branch) '(\S+)'", text)
    if unknown:
        return (
            f"Can't locate revision identified by {unknown[1]!r}: no file in {project.versions} has it. If "
            "the database is ahead of this checkout, update the checkout. If the name is misspelt, see: "
            "fieldstone migrate history"
        )
    relative = re.search(r"Relative revision ([+-])(\d+) didn't produce", text)
    if relative:
        way = "left to run" if relative[1] == "+" else "to undo"
        number = "is no revision" if relative[2] == "1" else f"are not {relative[2]} revisions"
        return f"There {number} {way}. See what there is: fieldstone migrate status"
    nameless = re.search(r"Could not determine revision id from filename (\S+)\.", text)
    if nameless:
        return (
            f"{nameless[1]} stands among the revisions and is none: it sets no 'revision'. Move it "
            "elsewhere, or write revisions with: fieldstone migrate new"
        )
    if "Ambiguous walk" in text:
        return (
            "The database is at a revision that joins branches, so a number of steps down could follow any "
            "of them. Name the revision to go down to; see: fieldstone migrate history"
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
