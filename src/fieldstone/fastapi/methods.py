"""Which methods an address takes.

The method of a request chooses among routes that share an address, so a route that refuses one knows
its own methods only. What RFC 9110 (section 15.5.6) asks of a 405 is the whole list.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Match

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def allowed_methods(connection: HTTPConnection, told: str) -> str:
    """List the methods of the address of a request, where a route `told` those of its own."""
    known = {one.strip() for one in told.split(",")}
    application = connection.scope.get("app")
    if isinstance(application, Starlette):
        found = {method for method in METHODS if _takes(application, connection, method)}
        if known <= found:  # else a mounted router refused, whose part of the address only it knows
            known = found
    return ", ".join(sorted(known))


def _takes(application: Starlette, connection: HTTPConnection, method: str) -> bool:
    scope = {**connection.scope, "method": method}
    return any(route.matches(dict(scope))[0] is Match.FULL for route in application.routes)
