"""Call an application in its own process: ASGI or WSGI, with nothing between caller and application.

A test client would cost more than what is measured.
"""

from __future__ import annotations

import io
from typing import Any

from benchmarks.stacks.stack import Request


async def asgi(app: Any, request: Request) -> tuple[int, bytes]:
    """Send one request to an ASGI application; give the status and the whole body of the answer."""
    status, content = 0, bytearray()
    messages = iter([{"type": "http.request", "body": request.body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            content.extend(message.get("body", b""))

    await app(scope_of(request), receive, send)
    return status, bytes(content)


async def wsgi(app: Any, request: Request) -> tuple[int, bytes]:
    """Send one request to a WSGI application, which blocks."""
    status = ""

    def start_response(line: str, _headers: Any, _error: Any = None) -> None:
        nonlocal status
        status = line

    answer = app(environment_of(request), start_response)
    try:
        content = b"".join(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return int(status[:3]), content


def scope_of(request: Request) -> dict[str, Any]:
    headers = [(b"host", b"testserver")]
    if request.body:
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", b"%d" % len(request.body)))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": request.query.encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 50_000),
        "server": ("testserver", 80),
        "state": {},
    }


def environment_of(request: Request) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query,
        "CONTENT_TYPE": "application/json" if request.body else "",
        "CONTENT_LENGTH": str(len(request.body)),
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "testserver",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
