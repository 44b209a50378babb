"""Where the user's code stands: the lines of a call stack that are neither a library's nor ours.

An async session works in a greenlet of its own, whose stack ends where the session was awaited; the walk goes
on in the greenlet that waits for it. A template of Jinja is the user's code, in the lines of its file.
"""

from __future__ import annotations

import linecache
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from types import FrameType, TracebackType
from typing import NamedTuple

import sqlalchemy
from greenlet import getcurrent

_SQLALCHEMY = f"{Path(sqlalchemy.__file__).parent}/"
_LIBRARIES = (_SQLALCHEMY, *(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib")))
_INSTALLED = ("site-packages", "dist-packages")
_PACKAGE = Path(__file__).parent.parent
_DEEPEST = 200
_KEPT = 20

# The methods of SQLAlchemy's sessions that a user calls: the outermost one says what was asked for.
_SESSION_FILES = ("/sqlalchemy/orm/session.py", "/sqlalchemy/ext/asyncio/session.py")
_OPERATIONS = {
    "close",
    "commit",
    "delete",
    "execute",
    "expire",
    "expire_all",
    "expunge",
    "expunge_all",
    "flush",
    "get",
    "get_one",
    "merge",
    "refresh",
    "reset",
    "rollback",
    "scalar",
    "scalars",
}


class Site(NamedTuple):
    """One line of the user's code."""

    path: str
    line: int
    function: str

    @property
    def code(self) -> str:
        """Give the text of the line, or nothing where its file cannot be read."""
        return linecache.getline(self.path, self.line).strip()

    @property
    def place(self) -> str:
        """Name file and line, from the working directory where the file lies below it."""
        return f"{_shortened(self.path)}:{self.line}"

    def __str__(self) -> str:
        return f"{self.place} in {self.function}"


class Moment(NamedTuple):
    """Which lines were being run, the innermost first, and which method of a session they had called."""

    sites: tuple[Site, ...]
    operation: str | None = None

    @property
    def site(self) -> Site | None:
        return self.sites[0] if self.sites else None

    @property
    def place(self) -> str:
        return str(self.sites[0]) if self.sites else "a line that is not the project's"


# What serves the request, for what a framework does with its answer: no line of the user's runs then.
endpoint: ContextVar[Callable[[], Site | None] | None] = ContextVar("fieldstone_endpoint", default=None)


def here() -> Moment:
    """Say where the user's code stands now."""
    sites: list[Site] = []
    operation = None
    for frame in _frames(sys._getframe(1)):
        code = frame.f_code
        if is_users(code.co_filename, frame):
            sites.append(Site(code.co_filename, _line(frame), code.co_name))
            if len(sites) == _KEPT:
                break
        elif not sites and code.co_name in _OPERATIONS and code.co_filename.endswith(_SESSION_FILES):
            operation = code.co_name
    return Moment(tuple(sites) or _served(), operation)


def _served() -> tuple[Site, ...]:
    serving = endpoint.get()
    site = serving() if serving is not None else None
    return () if site is None else (site,)


def is_boundary() -> bool:
    """Tell whether Fieldstone's own transaction block stands between here and the user's code."""
    for frame in _frames(sys._getframe(1)):
        name = frame.f_code.co_filename
        if is_users(name, frame):
            return False
        if name.startswith(_BOUNDARIES):
            return True
    return False


def raised_at(traceback: TracebackType | None) -> Moment:
    """Say where in the user's code an error came from."""
    sites: list[Site] = []
    while traceback is not None:
        frame = traceback.tb_frame
        if is_users(frame.f_code.co_filename, frame):
            sites.append(Site(frame.f_code.co_filename, traceback.tb_lineno, frame.f_code.co_name))
        traceback = traceback.tb_next
    return Moment(tuple(reversed(sites)) or _served())


def is_users(filename: str, frame: FrameType) -> bool:
    """Tell whether a frame runs code of the project rather than of a library."""
    if filename.startswith("<"):
        # What libraries generate has such names as well, but not the globals of a program.
        return filename in ("<stdin>", "<string>") and frame.f_globals.get("__name__") == "__main__"
    return _is_users_file(filename)


@lru_cache(maxsize=4096)
def _is_users_file(filename: str) -> bool:
    if any(part in filename for part in _INSTALLED) or filename.startswith(_LIBRARIES):
        return False
    return not filename.startswith(_OWN) or filename.startswith(_TEMPLATE)


_OWN = f"{_PACKAGE}/"
_TEMPLATE = f"{_PACKAGE}/template/"
_BOUNDARIES = (f"{_PACKAGE}/database/", f"{_PACKAGE}/fastapi/")


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    current = getcurrent()
    for _ in range(_DEEPEST):
        while frame is None:
            parent = current.parent
            if parent is None:
                return
            current, frame = parent, parent.gr_frame
        yield frame
        frame = frame.f_back


def _line(frame: FrameType) -> int:
    template = frame.f_globals.get("__jinja_template__")
    if template is None:
        return frame.f_lineno
    line: int = template.get_corresponding_lineno(frame.f_lineno)
    return line


def _shortened(path: str) -> str:
    below = Path.cwd()
    return str(Path(path).relative_to(below)) if Path(path).is_relative_to(below) else path
