"""watch(): a block of code, a function or a request whose statements are looked at."""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast, get_args

from sqlalchemy import Connection, Result
from sqlalchemy.orm import ORMExecuteState, QueryableAttribute, Session

from fieldstone.errors import ConfigurationError, MistakesFound
from fieldstone.guard import traps
from fieldstone.guard.explaining import explained, failure_of, replacing
from fieldstone.guard.findings import Finding, GuardWarning, Kind
from fieldstone.guard.lives import Query
from fieldstone.guard.recording import Recorder
from fieldstone.guard.repeats import repeats
from fieldstone.guard.statements import Statement, report

Mode = Literal["raise", "warn", "record"]
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


@dataclass(frozen=True)
class Rules:
    """What a watch does with what it finds, and what it lets pass."""

    mode: Mode = "raise"
    allow: tuple[str, ...] = ()
    ignore: frozenset[Kind] = frozenset()
    commits_in: tuple[str, ...] | None = None

    def concern(self, finding: Finding) -> bool:
        """Tell whether a finding is neither ignored nor allowed."""
        if finding.kind in self.ignore:
            return False
        places = [site.path for site in (finding.site, finding.cause) if site is not None]
        return not any(
            allowed == finding.subject or any(_matches(place, allowed) for place in places)
            for allowed in self.allow
        )


def rules(
    mode: Mode = "raise",
    *,
    allow: Iterable[str | QueryableAttribute[Any]] = (),
    ignore: Iterable[Kind] = (),
    commits_in: Iterable[str] | None = None,
) -> Rules:
    """Check what was asked of a watch, and give it as rules."""
    if mode not in get_args(Mode):
        raise ConfigurationError(
            f"A watch has no mode {mode!r}. The modes are: {', '.join(map(repr, get_args(Mode)))}."
        )
    unknown = sorted(set(ignore) - set(get_args(Kind)))
    if unknown:
        raise ConfigurationError(
            f"There are no findings of the kind {unknown[0]!r}. The kinds are: {', '.join(get_args(Kind))}."
        )
    allowed = tuple(one if isinstance(one, str) else f"{one.class_.__name__}.{one.key}" for one in allow)
    return Rules(mode, allowed, frozenset(ignore), None if commits_in is None else tuple(commits_in))


class Watch(Recorder):
    """A block that is watched: what it sent so far, and what was found about it.

    It is a context manager, sync and async, and a decorator of functions of both kinds. One object watches
    one block; as a decorator it makes a new one for each call.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        everywhere: bool = False,
        hears: Callable[[Connection], bool] | None = None,
    ) -> None:
        super().__init__(everywhere=everywhere, hears=hears)
        self.rules = rules
        self.serves_loop = False
        self._noticed: list[Finding] = []
        self._begun = False

    @property
    def findings(self) -> list[Finding]:
        """Give what was found so far, as far as the rules do not let it pass."""
        found = [*self._noticed, *repeats(self.statements)]
        return [finding for finding in found if self.rules.concern(finding)]

    def report(self) -> str:
        """Write the statements with their lines, alike ones together."""
        return report(self.statements)

    def notice(self, finding: Finding | None) -> None:
        """Take down what a hook has found."""
        if finding is not None and finding not in self._noticed:
            self._noticed.append(finding)

    def undone(self) -> None:
        """Forget what was lost with a session, where an error means that it should be."""
        self._noticed = [finding for finding in self._noticed if finding.kind != "lost_write"]

    def sent(self, statement: Statement, connection: Connection) -> None:
        super().sent(statement, connection)
        self.notice(traps.autocommit_write(statement, connection))
        if self.serves_loop:
            self.notice(traps.blocking_call(statement, connection))

    def asked(self, query: Query, state: ORMExecuteState) -> Result[Any] | None:
        self.used(state.session)
        failure = failure_of(query, state)
        if failure is not None:
            self.notice(failure.finding)
            raise failure
        return None

    def used(self, session: Session) -> None:
        self.notice(traps.concurrent_use(session))

    def committing(self, session: Session) -> None:
        self.used(session)
        if self.rules.commits_in is not None:
            self.notice(traps.commit_in_helper(session, self.rules.commits_in))

    def ended(self, session: Session, written: list[Statement]) -> None:
        if sys.exc_info()[0] is None:
            self.notice(traps.lost_write(written[0]))

    def dropped(self, entity: str) -> None:
        if sys.exc_info()[0] is None:
            self.notice(traps.lost_addition(entity))

    def begin(self) -> Self:
        """Start to watch; for code that cannot be written as a block."""
        if self._begun:
            raise ConfigurationError(
                "This watch has begun before. Each block needs its own: write watch(...) where it begins."
            )
        self._begun = True
        self.start()
        return self

    def end(self, error: BaseException | None = None) -> None:
        """Stop, and raise or warn of what was found, as the mode says."""
        self.stop()
        if error is not None:
            self.undone()
            for finding in explained(error):
                self.notice(finding)
        self.speak(error)

    def speak(self, error: BaseException | None = None) -> None:
        """Raise or warn of what was found so far, beside an error that is on its way."""
        found = self.findings
        if self.rules.mode == "warn":
            for finding in found:
                _warn(finding)
        if error is not None:
            _speak_beside(error, found, self.rules.mode)
        elif found and self.rules.mode == "raise":
            raise MistakesFound(found)

    def __enter__(self) -> Self:
        return self.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(error)

    async def __aenter__(self) -> Self:
        self.serves_loop = True
        return self.begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(error)

    def __call__(self, function: FunctionT) -> FunctionT:
        """Watch each call of a function."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{function.__name__} is a generator, so a call of it runs nothing that could be watched. "
                "Write 'with watch():' within it."
            )

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._another():
                return function(*args, **kwargs)

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            async with self._another():
                return await function(*args, **kwargs)

        return cast(FunctionT, call_async if inspect.iscoroutinefunction(function) else call)

    def _another(self) -> Watch:
        return Watch(self.rules, everywhere=self.everywhere, hears=self.hears)


def watch(
    mode: Mode = "raise",
    *,
    allow: Iterable[str | QueryableAttribute[Any]] = (),
    ignore: Iterable[Kind] = (),
    commits_in: Iterable[str] | None = None,
    everywhere: bool = False,
) -> Watch:
    """Watch a block, or each call of a function, and raise, warn of or record what is found.

    `allow` names what may be: a relationship (`Task.project`, or its name as text), or the path of a file,
    with `*` for any part of it. `ignore` leaves out whole kinds of findings. `commits_in` names the files in
    which commits belong, and makes any other a finding; Fieldstone's own blocks may always commit.
    `everywhere` hears of all threads and tasks of the process instead of those that this block starts; it
    is for tests.

    Raises MistakesFound where the block ends.
    """
    return Watch(rules(mode, allow=allow, ignore=ignore, commits_in=commits_in), everywhere=everywhere)


# What makes a block fail by itself.
_CAUSES: Collection[Kind] = ("lazy_load", "expired", "detached", "shared_session")


def _speak_beside(error: BaseException, found: list[Finding], mode: Mode) -> None:
    """Put what was found in the place of an error that it explains, or beside it where nothing may change."""
    causes = [finding for finding in found if finding.kind in _CAUSES]
    if not causes or isinstance(error, MistakesFound):
        return
    if mode == "raise" and isinstance(error, Exception):
        raise replacing(error, causes) from error
    for finding in causes:
        error.add_note(str(finding))


def _warn(finding: Finding) -> None:
    if finding.site is None:
        warnings.warn(str(finding), GuardWarning, stacklevel=4)
    else:
        warnings.warn_explicit(str(finding), GuardWarning, finding.site.path, finding.site.line)


def _matches(path: str, pattern: str) -> bool:
    return fnmatch(path, pattern) or fnmatch(path, f"*/{pattern}")
