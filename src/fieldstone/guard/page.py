"""The development page: the last requests, what each sent to the database, and what was found about it.

    development_page(app, production=settings.production)

It is there only when it is asked for, is refused in production, and answers this machine alone. Values of
parameters are shown only with `values=True`. It is plain ASGI and plain HTML: no script, nothing from
elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from sqlalchemy.orm import QueryableAttribute

from fieldstone.errors import ConfigurationError
from fieldstone.guard import html
from fieldstone.guard.findings import Kind
from fieldstone.guard.middleware import GuardMiddleware
from fieldstone.guard.plans import plan_of
from fieldstone.guard.requests import RequestWatch, Scope
from fieldstone.guard.watching import Mode

_STYLE = Path(__file__).parent / "page.css"
_NEAR = {"127.0.0.1", "::1", "testclient"}
_POLICY = b"default-src 'none'; style-src 'self'; form-action 'none'; frame-ancestors 'none'"


class Application(Protocol):
    """What FastAPI and Starlette have."""

    def mount(self, path: str, app: Any, name: str | None = None) -> None: ...
    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None: ...


class Kept(NamedTuple):
    """A request that is over, with the number it is found by."""

    number: int
    seen: RequestWatch


def development_page(
    app: Application,
    *,
    production: bool,
    path: str = "/_guard",
    mode: Mode = "record",
    allow: Iterable[str | QueryableAttribute[Any]] = (),
    ignore: Iterable[Kind] = (),
    keep: int = 100,
    values: bool = False,
) -> None:
    """Watch all requests of an application, and show the last of them at a path.

    `production` is what the application knows of itself; where it is true, ConfigurationError is raised.
    """
    if production:
        raise ConfigurationError(
            "The development page shows statements and source lines, and this application says that it "
            "runs in production. Call development_page() only where it does not."
        )
    page = Page(path, keep=keep, values=values)
    app.mount(path, page, name="fieldstone_guard")
    app.add_middleware(GuardMiddleware, mode=mode, allow=allow, ignore=ignore, keep=page.keep)


class Page:
    """Keeps the last requests, and shows them."""

    def __init__(self, path: str, *, keep: int = 100, values: bool = False) -> None:
        self._path = path.rstrip("/")
        self._values = values
        self._kept: deque[Kept] = deque(maxlen=keep)
        self._numbers = count(1)

    def keep(self, seen: RequestWatch) -> None:
        """Take a request that is over; the page's own are not of interest."""
        if not str(seen.scope["path"]).startswith(self._path):
            self._kept.appendleft(Kept(next(self._numbers), seen))

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        status, kind, body = await self._answer(scope)
        headers = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"content-security-policy", _POLICY),
            (b"cache-control", b"no-store"),
            (b"x-robots-tag", b"noindex"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: Scope) -> tuple[int, bytes, bytes]:
        client = scope.get("client")
        if scope["method"] not in ("GET", "HEAD") or (client and client[0] not in _NEAR):
            return 404, b"text/plain", b"Not found"
        parts = [part for part in str(scope["path"]).removeprefix(self._path).split("/") if part]
        if parts == ["page.css"]:
            return 200, b"text/css; charset=utf-8", _STYLE.read_bytes()
        text = await self._page(parts)
        if text is None:
            return 404, b"text/html; charset=utf-8", html.missing(self._path).encode()
        return 200, b"text/html; charset=utf-8", text.encode()

    async def _page(self, parts: list[str]) -> str | None:
        if not parts:
            return html.requests(self._path, list(self._kept))
        kept = next((one for one in self._kept if str(one.number) == parts[0]), None)
        if kept is None or len(parts) > 2:
            return None
        if len(parts) == 1:
            return html.request(self._path, kept, values=self._values)
        sent = kept.seen.statements
        if not parts[1].isdecimal() or int(parts[1]) >= len(sent):
            return None
        statement = sent[int(parts[1])]
        plan = await plan_of(statement, values=self._values)
        return html.plan(self._path, kept, statement, plan, values=self._values)
