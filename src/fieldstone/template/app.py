"""The application, put together from its parts."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline

from fieldstone import Database
from fieldstone.fastapi import install
from fieldstone.guard import development_page
from fieldstone.template.api import api
from fieldstone.template.html import show_errors_as_pages
from fieldstone.template.pages import pages

DESCRIPTION = """\
Projects, tasks and the people and agents who work on them.

A list is asked for by its attributes: `status=pending`, `due_date__le=2026-12-31`,
`assignments.worker_id=@claude-code`, `q=phone`, `sort=-due_date`. The same query means the same
for the list, for its export and for the board in a browser.

Whoever changes something says in whose name, in the header `X-Actor`; it stands in the history. The
app has no sign-in and believes it.
"""
TAGS = [
    {"name": "projects", "description": "What the tasks are for."},
    {"name": "tasks", "description": "What is to be done, by whom, and what happened to it."},
    {"name": "workers", "description": "The people and agents who work."},
    {"name": "board", "description": "The tasks by their status, as the page shows them."},
]


def create_app(database: Database, *, guard: bool = False) -> FastAPI:
    """Make the application over a database whose tables exist; `guard` adds the page for its developers."""
    app = FastAPIOffline(  # FastAPI whose /docs needs nothing from elsewhere
        title="Fieldstone tasks",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        dependencies=[Depends(same_origin)],
    )
    install(app, database)
    show_errors_as_pages(app, except_under="/api/")
    app.include_router(api)
    app.include_router(pages)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    if guard:
        development_page(app, production=False)
    return app


async def same_origin(request: Request) -> None:
    """Refuse what a page of another site sends in its reader's name.

    Browsers say where a form comes from, in Sec-Fetch-Site or, older ones, in Origin; a program
    says neither, and has nobody's name to misuse.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        trusted = site in ("same-origin", "none")
    else:
        trusted = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not trusted:
        raise HTTPException(403, "A page of another site sent this. Open the board and try again from there.")
