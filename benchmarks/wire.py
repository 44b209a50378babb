"""A proxy before PostgreSQL: it counts round trips, and may delay as a remote database does.

A round trip is one time that a client sends after it has heard from the server: however many messages it
sends at once, and whichever of them is answered first, it waits once for all. That holds for every way to use
the protocol (Sync, Flush, pipelines), which counting messages of one kind does not.

Each direction is delayed by half of the round trip. Threads sleep, since timers of an event loop are a
millisecond coarse.

    python -m benchmarks.wire HOST PORT MILLISECONDS

prints its own port, then answers each line it reads with the number of round trips so far.
"""

from __future__ import annotations

import queue
import socket
import sys
import threading
import time
from contextlib import suppress


class Wire:
    """Carry bytes between clients and a server."""

    def __init__(self, server: tuple[str, int], delay: float) -> None:
        self.server = server
        self.delay = delay
        self.trips = 0
        self.listener = socket.create_server(("127.0.0.1", 0))

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.carry(client)

    def carry(self, client: socket.socket) -> None:
        server = socket.create_connection(self.server)
        heard = threading.Event()
        heard.set()
        for source, target, up in ((client, server, True), (server, client, False)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sent: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
            reading = (source, sent, heard, up)
            threading.Thread(target=self.read, args=reading, daemon=True).start()
            threading.Thread(target=self.write, args=(target, sent), daemon=True).start()

    def read(
        self,
        source: socket.socket,
        sent: queue.SimpleQueue[tuple[float, bytes]],
        heard: threading.Event,
        up: bool,
    ) -> None:
        data = b"-"
        while data:
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            if not up:
                heard.set()
            elif data and heard.is_set():
                heard.clear()
                self.trips += 1
            sent.put((time.monotonic() + self.delay, data))

    def write(self, target: socket.socket, sent: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        with suppress(OSError):
            while True:
                due, data = sent.get()
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                if (pause := due - time.monotonic()) > 0:
                    time.sleep(pause)
                target.sendall(data)


def main() -> None:
    host, port, milliseconds = sys.argv[1:]
    wire = Wire((host, int(port)), float(milliseconds) / 2000)
    threading.Thread(target=wire.accept, daemon=True).start()
    print(wire.listener.getsockname()[1], flush=True)
    for _ in sys.stdin:
        print(wire.trips, flush=True)


if __name__ == "__main__":
    main()
