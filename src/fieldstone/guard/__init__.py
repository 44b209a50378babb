"""The guard: mistakes with sessions that show themselves at run time, with the line and the remedy.

    with watch():                      # or @watch(), or `async with`; "warn" and "record" beside "raise"
        tasks = session.exec(select(Task)).all()
        names = [task.project.name for task in tasks]

It watches any session and engine of SQLAlchemy, also those that Fieldstone did not make, through public
events alone, and takes nothing else of Fieldstone: it runs on SQLAlchemy 2.0 as well.

What may be used:

    watch(mode)                 a block or a function: raise, warn of, or record what is found
    Watch                       such a block: .statements, .findings, .report()
    Statement, Site             one statement that was sent, and one line of the user's code
    Finding, GuardWarning       one mistake, with its lines and its remedy
    GuardMiddleware             each request of an ASGI application, watched
    development_page            the last requests of an application, as a page for its developers
    budget                      an endpoint that may send so many statements, or as many as a plan says
    max_queries, exact_queries  a block that may send so many statements, or as many as a plan says
    no_n_plus_one               a block that sends no statement for each of many rows
    batch_loading               a block whose lazy loads are sent once for all rows of a query
    recording                   a block whose statements are collected, and nothing more
    report                      statements as text, alike ones together, with the lines that asked for them
"""

from fieldstone.guard.batching import batch_loading
from fieldstone.guard.budgets import exact_queries, max_queries, no_n_plus_one, recording
from fieldstone.guard.findings import DetachedAccess, Finding, GuardWarning, Kind, LazyLoadInAsync
from fieldstone.guard.middleware import GuardMiddleware
from fieldstone.guard.page import development_page
from fieldstone.guard.recording import Recorder
from fieldstone.guard.requests import RequestWatch, budget
from fieldstone.guard.sites import Site
from fieldstone.guard.statements import Statement, report
from fieldstone.guard.watching import Mode, Watch, watch

__all__ = [
    "DetachedAccess",
    "Finding",
    "GuardMiddleware",
    "GuardWarning",
    "Kind",
    "LazyLoadInAsync",
    "Mode",
    "Recorder",
    "RequestWatch",
    "Site",
    "Statement",
    "Watch",
    "batch_loading",
    "budget",
    "development_page",
    "exact_queries",
    "max_queries",
    "no_n_plus_one",
    "recording",
    "report",
    "watch",
]
