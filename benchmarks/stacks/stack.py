"""What the benchmark asks of a stack.

A stack answers through its application, and, where its library is one, by calls as well: a method named as
in `NAMES`, which takes the argument of the work and gives the bytes of its answer. What it has no method
or no request for is not measured, and shown so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

NAMES: Mapping[str, str] = {
    "E1": "one",
    "E2": "flat",
    "E3": "full",
    "E4": "create",
    "E5": "change",
    "E6": "bulk",
    "P0": "events",
    "P9": "events",
}

Call = Callable[[Any], Awaitable[bytes]]


@dataclass(frozen=True)
class Request:
    """One request, as a client sends it."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""


class Stack:
    """One way to do the work, in a process of its own."""

    title: ClassVar[str]
    # The key under which the answer to a list holds its rows; empty where the answer is the rows.
    envelope: ClassVar[str] = ""
    # Whether calls and application block, as under WSGI: they are then run without an event loop.
    blocking: ClassVar[bool] = False
    # What leads to a deep page.
    paging: ClassVar[str] = "offset"
    # What it has no request for, though its class has one to offer.
    without: ClassVar[frozenset[str]] = frozenset()

    app: Any = None

    async def open(self, url: str) -> None:
        """Make application and connections for a database, given as a plain URL."""
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of them."""

    def call(self, code: str) -> Call | None:
        """Give the method that does some work, where there is one."""
        return getattr(self, NAMES[code], None)

    def request(self, code: str, given: Any) -> Request | None:
        """Give the request that does some work; None where the application cannot."""
        if self.app is None or code in self.without:
            return None
        request: Request = getattr(self, f"ask_{NAMES[code]}")(given)
        return request

    def served(self) -> Any:
        """Give the application for an ASGI server."""
        return self.app

    async def stream(self) -> int:
        """Read all events one after the other, and count them."""
        raise NotImplementedError

    async def place_of(self, before: int) -> Any:
        """Give what leads to the page behind so many events: by default their number, as an offset."""
        return before

    def ask_one(self, number: int) -> Request:
        return Request("GET", f"/tasks/{number}")

    def ask_flat(self, offset: int) -> Request:
        return Request("GET", "/tasks", f"limit=100&offset={offset}")

    def ask_full(self, offset: int) -> Request:
        return Request("GET", "/tasks/full", f"limit=100&offset={offset}")

    def ask_create(self, content: bytes) -> Request:
        return Request("POST", "/tasks", body=content)

    def ask_change(self, given: tuple[int, bytes]) -> Request:
        return Request("PATCH", f"/tasks/{given[0]}", body=given[1])

    def ask_bulk(self, content: bytes) -> Request:
        return Request("POST", "/tasks/bulk", body=content)

    def ask_events(self, place: Any) -> Request:
        return Request("GET", "/events", f"limit=100&offset={place}")
