"""Answers of generated routes as the bytes that were read, where FastAPI would write the same ones.

FastAPI validates what an endpoint returns and dumps it. `reading` can give those bytes without the objects in
between. They are sent where a route answers with FastAPI's own JSON; an application or a router that names
another `response_class` gets the objects, and makes of them what it likes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts

_plain: WeakKeyDictionary[Any, dict[tuple[int, Any], bool]] = WeakKeyDictionary()


def takes_bytes(request: Request) -> bool:
    """Tell whether the route of a request answers with FastAPI's own JSON, wherever it is included."""
    app, endpoint = request.app, request.scope["endpoint"]
    known = _plain.setdefault(app, {})
    key = len(app.router.routes), endpoint  # what is included later may name another class
    if key not in known:
        known[key] = _answers_plainly(app, endpoint)
    return known[key]


def _answers_plainly(app: Any, endpoint: Callable[..., Any]) -> bool:
    classes = [
        getattr(context.response_class, "value", context.response_class)
        for context in iter_route_contexts(app.router.routes)
        if context.endpoint is endpoint
    ]
    return bool(classes) and all(one is JSONResponse for one in classes)


def sent(body: bytes, response: Response, *, status: int) -> Response:
    """Send bytes of JSON as FastAPI would send the object, with what dependencies said of the response."""
    made = Response(body, response.status_code or status, media_type="application/json")
    made.headers.raw.extend(response.headers.raw)
    return made
