"""One request that is watched: its sessions, what its endpoint takes and answers, and its budget."""

from __future__ import annotations

import inspect as python_inspect
import json
import re
import time
import typing
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar, get_args, get_origin
from weakref import WeakSet

from sqlalchemy import Result, inspect
from sqlalchemy.orm import Mapper, ORMExecuteState, Session

from fieldstone.guard import traps
from fieldstone.guard.budgets import Budget, over
from fieldstone.guard.findings import Finding, said
from fieldstone.guard.lives import Ending, Query
from fieldstone.guard.sites import Moment, Site, here
from fieldstone.guard.watching import Rules, Watch

Scope = MutableMapping[str, Any]
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

PRIVATE = r"passw(or)?d|passwd|secret|token|api_?key|private|salt|hash"
_BUDGET = "__fieldstone_budget__"
_FIRST = "fieldstone_guard_request"
_DEEPEST = 5
_LONGEST = 50


def budget(most: Budget) -> Callable[[FunctionT], FunctionT]:
    """State how many statements an endpoint may send: a number, or a plan, which knows its own.

    @app.get("/tasks")
    @budget(plan(Task, TaskRead))
    """

    def state(function: FunctionT) -> FunctionT:
        setattr(function, _BUDGET, most)
        return function

    return state


@dataclass(eq=False)
class _Request:
    """What a session keeps of the request that first used it."""

    name: str
    is_over: bool = False
    older: int = field(default_factory=lambda: Session().hash_key)

    def made(self, session: Session) -> bool:
        """Tell whether a session was made since the request began: sessions are numbered as they are made."""
        return session.hash_key > self.older


class RequestWatch(Watch):
    """The watch of one request."""

    def __init__(self, rules: Rules, scope: Scope, private: str = PRIVATE) -> None:
        super().__init__(rules)
        self.scope = scope
        self.serves_loop = True
        self.status: int | None = None
        self.began = time.time()
        self.seconds = 0.0
        self._private = private
        self._sessions: WeakSet[Session] = WeakSet()
        self._mappers: set[Mapper[Any]] = set()
        self._endings: dict[str, Ending] = {}
        self._request = _Request(self.name)

    @property
    def name(self) -> str:
        """Name the request by its method and path."""
        return f"{self.scope['method']} {self.scope['path']}"

    @property
    def site(self) -> Site | None:
        """Give the first line of the endpoint, once it is known."""
        function = python_inspect.unwrap(self.scope.get("endpoint") or _nothing)
        code = getattr(function, "__code__", None)
        if code is None or function is _nothing:
            return None
        return Site(code.co_filename, code.co_firstlineno, code.co_name)

    def asked(self, query: Query, state: ORMExecuteState) -> Result[Any] | None:
        self._mappers.update(state.all_mappers)
        return super().asked(query, state)

    def used(self, session: Session) -> None:
        super().used(session)
        self._sessions.add(session)
        self._mappers.update(inspect(type(one)) for one in session.new)
        first: _Request = session.info.setdefault(_FIRST, self._request)
        if first is not self._request and first.is_over and first.made(session):
            self.notice(traps.used_elsewhere(session, first.name, self.name))
        if traps.BEGAN not in session.info:
            session.info[traps.BEGAN] = here()

    def close(self) -> None:
        """Look at what the request leaves behind."""
        self._request.is_over = True
        for session in list(self._sessions):
            if session.in_transaction() and self._request.made(session):
                self.notice(traps.left_open(session))

    def look_at_endpoint(self) -> None:
        """Look at what the endpoint takes, and at its budget."""
        function = self.scope.get("endpoint")
        if function is None:
            return
        for name, model in tables_taken(function):
            self.notice(self._table_as_body(name, model))
        most: Budget | None = getattr(function, _BUDGET, None)
        if most is not None:
            self.notice(over(most, self.statements))

    def expired(self, entity: str, ending: Ending) -> None:
        self._endings[entity] = ending

    def look_at_answer(self, body: bytes) -> None:
        """Look for an instance that lost its values, and for columns that nothing lists."""
        answer, schema = _parsed(body), getattr(self.scope.get("route"), "response_model", None)
        for model in _tables_in(schema):
            ending = self._endings.get(model.__name__)
            if ending is not None and (answer == {} or (isinstance(answer, list) and {} in answer)):
                self.notice(self._emptied(model.__name__, ending))
        columns = {
            key: mapper.class_.__name__
            for mapper in self._mappers
            for key in (column.key for column in mapper.column_attrs)
            if re.search(self._private, key, re.IGNORECASE)
        }
        if not columns:
            return
        listed = set(names_listed(schema))
        for name in sorted(_names_in(answer) & columns.keys() - listed):
            self.notice(self._leak(columns[name], name))

    def _table_as_body(self, name: str, model: type[Any]) -> Finding:
        moment = self._moment()
        return Finding(
            "table_as_body",
            model.__name__,
            said(
                f"The body of {self.name} is the table {model.__name__} itself ({name})",
                moment,
                "a client may set each of its columns, its key included, and SQLModel validates no table",
                f"Take a schema with the fields that a client may set, such as {model.__name__}Create.",
            ),
            f"{model.__name__}Create",
            moment.site,
        )

    def _emptied(self, entity: str, ending: Ending) -> Finding:
        moment = self._moment()
        return Finding(
            "expired",
            entity,
            said(
                f"{self.name} answers {{}} instead of a {entity}",
                moment,
                f"{ending} took its values, and Pydantic dumps what is there",
                "Make the session with expire_on_commit=False, or answer with a schema: "
                f"response_model={entity}Read.",
            ),
            "expire_on_commit=False",
            moment.site,
            ending.moment.site,
        )

    def _leak(self, entity: str, name: str) -> Finding:
        moment = self._moment()
        return Finding(
            "leaked_columns",
            f"{entity}.{name}",
            said(
                f"{self.name} answers with {entity}.{name}",
                moment,
                "no schema lists it: what is sent is the table itself, or was put together by hand",
                f"Answer with a schema that has the fields that may leave: response_model={entity}Read.",
            ),
            f"response_model={entity}Read",
            moment.site,
        )

    def _moment(self) -> Moment:
        return Moment((self.site,) if self.site else ())


@dataclass(frozen=True)
class _Nothing:
    def __call__(self) -> None: ...


_nothing = _Nothing()


@lru_cache(maxsize=1024)
def tables_taken(function: Callable[..., Any]) -> tuple[tuple[str, type[Any]], ...]:
    """Find the parameters of an endpoint that are tables: FastAPI reads such from the body."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
        parameters = python_inspect.signature(function).parameters
    except (NameError, TypeError, ValueError):
        return ()
    return tuple(
        (name, model)
        for name, parameter in parameters.items()
        if not _is_dependency(parameter.default)
        for model in _tables_in(hints.get(name))
    )


def _tables_in(hint: Any) -> Iterator[type[Any]]:
    if get_origin(hint) is typing.Annotated:
        inner, *notes = get_args(hint)
        if not any(map(_is_dependency, notes)):
            yield from _tables_in(inner)
    elif get_args(hint):
        for part in get_args(hint):
            yield from _tables_in(part)
    elif isinstance(hint, type) and isinstance(inspect(hint, raiseerr=False), Mapper):
        yield hint


def _is_dependency(mark: Any) -> bool:
    return hasattr(mark, "dependency")


def names_listed(schema: Any, depth: int = _DEEPEST) -> Iterator[str]:
    """Yield the names of the fields of a response model, and of the schemas in it; of tables none."""
    if depth == 0 or schema is None:
        return
    if get_args(schema):
        for part in get_args(schema):
            yield from names_listed(part, depth)
    elif not isinstance(inspect(schema, raiseerr=False), Mapper):
        for name, one in getattr(schema, "model_fields", {}).items():
            yield name
            yield from names_listed(one.annotation, depth - 1)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _names_in(value: Any, depth: int = _DEEPEST) -> set[str]:
    """Collect the names in an answer, of the first rows of each list."""
    if depth == 0:
        return set()
    parts: Iterable[Any] = ()
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, list):
        parts = value[:_LONGEST]
    names = set(value) if isinstance(value, dict) else set()
    return names.union(*(_names_in(part, depth - 1) for part in parts))
