"""Pages as HTML: the templates, the words they use, and errors that look like the other pages.

Every value is escaped by the templates. The headers forbid scripts and anything from elsewhere,
so that even a mistake in a template could not run what a stranger typed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_args

from fastapi import FastAPI, Request
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import RedirectResponse, Response

from fieldstone.template.asking import ORDERS
from fieldstone.template.board import STATUSES, today
from fieldstone.template.models import Color, Priority, Role

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


# What a client acts on beside the status, whatever the body is.
_KEPT = ("Allow", "Retry-After")


def page(request: Request, template: str, status: int = 200, **content: Any) -> Response:
    """Render a template."""
    me = getattr(request.state, "me", None)
    context = {"here": request.url.path, "me": me, **content}
    return _TEMPLATES.TemplateResponse(request, template, context, status_code=status, headers=HEADERS)


def go(address: str) -> Response:
    """Send the browser on after a form was accepted, so that reloading does not repeat it."""
    return RedirectResponse(address, status_code=303)


def own(address: str) -> str:
    """Keep to this site: an address from a form may lead anywhere."""
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) else "/"


def show_errors_as_pages(app: FastAPI, *, except_under: str) -> None:
    """Show what is wrong as a page, unless the path is the API's, which answers programs.

    The answer for programs is made first, whichever error it is: its status and its text, which
    holds nothing private, become the page.
    """
    for error, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(error, _as_page(handler, except_under))


def _as_page(handler: Any, except_under: str) -> Any:
    async def answer(request: Request, error: Exception) -> Response | None:
        problem: Response | None = await handler(request, error)
        if problem is None or not problem.body or request.url.path.startswith(except_under):
            return problem
        told = json.loads(bytes(problem.body))
        heading = "There is nothing here" if problem.status_code == 404 else told["title"]
        shown = page(request, "error.html", problem.status_code, heading=heading, told=told)
        shown.headers.update({name: problem.headers[name] for name in _KEPT if name in problem.headers})
        return shown

    return answer


def _initials(name: str) -> str:
    return "".join(word[0] for word in name.split()[:2]).upper()


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _named(values: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(value, _words(value)) for value in values]


def _options(rows: Iterable[Any], key: str) -> list[tuple[Any, str]]:
    """Make the choices of a list from what has a name."""
    return [(getattr(row, key), row.name) for row in rows]


# What another program stored may be no date at all; it is shown as it is.
def _day(day: Any) -> str:
    if not isinstance(day, date):
        return str(day)
    return f"{day.day} {day:%b}" if day.year == today().year else f"{day.day} {day:%b %Y}"


_PATHS = {
    "project.slug": "Project",
    "assignments.worker_id": "Worker",
    "assignments.role": "Role",
    "due_date": "Due",
    "updated_at": "Changed",
    "parent_id": "Parent",
}
_OPERATORS = {
    "eq": "",
    "ne": "is not",
    "in": "",
    "not_in": "is not",
    "lt": "before",
    "le": "by",
    "gt": "after",
    "ge": "from",
    "is_null": "is missing:",
    "contains": "has",
    "icontains": "has",
    "startswith": "begins with",
    "istartswith": "begins with",
    "endswith": "ends with",
    "iendswith": "ends with",
}


def _value(value: Any) -> str:
    """Write what a filter compares with, as a person would."""
    if isinstance(value, tuple):
        return " or ".join(map(_value, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{_day(value.date())} {value:%H:%M}"
    return _day(value) if isinstance(value, date) else str(value).replace("_", " ")


def _iso(moment: Any) -> str:
    return moment.isoformat(sep=" ", timespec="seconds") if isinstance(moment, datetime) else str(moment)


def _is_past(day: Any) -> bool:
    return isinstance(day, date) and day < today()


def _ago(moment: Any) -> str:
    """Say how long ago something was, as far as a person cares."""
    if not isinstance(moment, datetime):
        return str(moment)
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = seconds // size
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        initials=_initials, words=_words, options=_options, day=_day, ago=_ago, iso=_iso
    )
    environment.filters.update(
        path=lambda path: _PATHS.get(path, _words(path)),
        operator=lambda name: _OPERATORS[name],
        value=_value,
    )
    environment.tests["past"] = _is_past
    environment.globals.update(
        statuses=STATUSES,
        named_statuses=_named(STATUSES),
        named_priorities=_named(get_args(Priority)),
        named_colors=_named(get_args(Color)),
        named_roles=_named(get_args(Role)),
        orders=ORDERS,
    )
    return environment


_TEMPLATES = Jinja2Templates(env=_environment())
