"""A TCP proxy before a real server, to lose connections exactly when a test wants to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from fieldstone import Database
from fieldstone.database.urls import parse
from tests import domain


@dataclass
class Wire:
    """Carry bytes to a server, until the client sends `cut_at`.

    `deliver` says whether the server still receives what was cut at; its answer never arrives.
    `round_trips` counts how often a client spoke and was answered, one client at a time.
    """

    host: str
    server_port: int
    port: int
    cut_at: bytes | None = None
    deliver: bool = False
    connections: int = 0
    round_trips: int = 0
    _asking: bool = False
    _sockets: list[socket.socket] = field(default_factory=list)

    def carry(self, client: socket.socket) -> None:
        server = socket.create_connection((self.host, self.server_port))
        self.connections += 1
        self._sockets += [client, server]
        up = threading.Thread(target=self._pump, args=(client, server, self._is_cut, True), daemon=True)
        down = threading.Thread(target=self._pump, args=(server, client, lambda _: False, False), daemon=True)
        up.start()
        down.start()

    def _is_cut(self, data: bytes) -> bool:
        return self.cut_at is not None and self.cut_at in data

    def _pump(
        self, source: socket.socket, target: socket.socket, is_cut: Callable[[bytes], bool], asking: bool
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if asking and not self._asking:  # the client speaks again after an answer
                    self.round_trips += 1
                self._asking = asking
                if is_cut(data):
                    self.cut_at = None
                    source.shutdown(socket.SHUT_RDWR)
                    if self.deliver:
                        target.sendall(data)
                    break
                target.sendall(data)
            target.shutdown(socket.SHUT_WR if self.deliver else socket.SHUT_RDWR)

    def close(self) -> None:
        for one in self._sockets:
            one.close()


@contextmanager
def wire_to(url: str) -> Iterator[tuple[Wire, str]]:
    """Stand between a database and its clients; give the wire and the URL that leads over it."""
    parts = parse(url)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        wire = Wire(parts.host or "localhost", parts.port or 5432, listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, wire), daemon=True).start()
        try:
            yield wire, over(url, wire.port)
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # closing alone would leave accept() waiting
            wire.close()


def over(url: str, port: int) -> str:
    """Give the URL with another port on this machine, unencrypted so that the wire can be read."""
    parts = parse(url)
    return f"postgresql://{parts.username}:{parts.password}@127.0.0.1:{port}/{parts.database}?sslmode=disable"


def _accept(listener: socket.socket, wire: Wire) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            wire.carry(client)


@contextmanager
def wire_to_sample(url: str, *more: Any) -> Iterator[tuple[Wire, str]]:
    """Fill an empty database with the sample of tests/domain.py, and give the way to it over the wire."""
    with Database(url) as database:
        database.create_all(domain.METADATA)
        with database.transaction() as session:
            session.add_all([*domain.sample(), *more])
    with wire_to(url) as found:
        yield found
