"""The middleware: each request of an application is a block that is watched. It is plain ASGI.

    app.add_middleware(GuardMiddleware, mode="raise")

What is raised makes the page fail: a response waits until it is known whether anything was found, and is not
sent then. What shows only later (a session that stays open) is raised when the request is over; a test client
sees that, and a browser does not.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from sqlalchemy.orm import QueryableAttribute

from fieldstone.guard.findings import Kind
from fieldstone.guard.requests import PRIVATE, RequestWatch, Scope
from fieldstone.guard.sites import endpoint
from fieldstone.guard.watching import Mode, rules

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Any], Awaitable[None]]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
Keep = Callable[[RequestWatch], None]

_LARGEST = 1_000_000
_REFUSED = 400


class GuardMiddleware:
    """Watch each request of an application, in one of the modes of `watch()`.

    `private` is a pattern: columns whose names match it may only leave where a response model lists
    them. `keep` is given each request when it is over, with what it sent and what was found.
    """

    def __init__(
        self,
        app: ASGIApp,
        mode: Mode = "warn",
        *,
        allow: Iterable[str | QueryableAttribute[Any]] = (),
        ignore: Iterable[Kind] = (),
        commits_in: Iterable[str] | None = None,
        private: str = PRIVATE,
        keep: Keep | None = None,
    ) -> None:
        self._app = app
        self._rules = rules(mode, allow=allow, ignore=ignore, commits_in=commits_in)
        self._private = private
        self._keep = keep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = RequestWatch(self._rules, scope, self._private)
        answer = _Answer(seen, send)
        token = endpoint.set(lambda: seen.site)
        started = time.perf_counter()
        error: BaseException | None = None
        seen.begin()
        try:
            await self._app(scope, receive, answer.send)
        except BaseException as raised:
            error = raised
            raise
        finally:
            seen.seconds = time.perf_counter() - started
            try:
                self._end(seen, answer, error)
            finally:
                endpoint.reset(token)

    def _end(self, seen: RequestWatch, answer: _Answer, error: BaseException | None) -> None:
        seen.close()
        if answer.status is not None and answer.status >= _REFUSED:
            seen.undone()
        seen.status = answer.status
        try:
            seen.end(error)
        finally:
            if self._keep is not None:
                self._keep(seen)


class _Answer:
    """The response on its way: held back until it is known whether anything was found."""

    def __init__(self, seen: RequestWatch, send: Send) -> None:
        self._seen = seen
        self._send = send
        self._start: Message | None = None
        self._refused = False
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        if self._start is not None:
            start, self._start = self._start, None
            self._look(start, message)
            self._refused = self._seen.rules.mode == "raise" and bool(self._seen.findings)
            if not self._refused:
                self.status = start["status"]
                await self._send(start)
        if not self._refused:
            await self._send(message)

    def _look(self, start: Message, first: Message) -> None:
        if start["status"] >= _REFUSED:
            return
        self._seen.look_at_endpoint()
        body = first.get("body", b"")
        if _is_json(start) and not first.get("more_body") and len(body) <= _LARGEST:
            self._seen.look_at_answer(body)


def _is_json(start: Message) -> bool:
    return any(
        name.lower() == b"content-type" and b"json" in value.lower() for name, value in start["headers"]
    )
