"""The address of a request as its client knows it: relative to the host, below what a proxy put in front.

A proxy may serve the application under another host's name, so no answer names one.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import Request

LOCATION: dict[str, Any] = {
    "Location": {
        "description": "Where the new row is, relative to the host.",
        "schema": {"type": "string", "format": "uri-reference", "examples": ["/tasks/1"]},
    }
}


def path_of(request: Request) -> str:
    """Give the path that was asked for, also where a proxy stripped the root from it."""
    root, path = request.scope.get("root_path", "").rstrip("/"), request.scope["path"].rstrip("/")
    return quote(path if path.startswith(f"{root}/") else root + path)


def url_of(request: Request) -> str:
    """Give the path with its query."""
    query = request.scope["query_string"].decode("latin-1")
    return f"{path_of(request)}?{query}" if query else path_of(request)
