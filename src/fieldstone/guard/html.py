"""What the development page looks like: functions from what was seen to HTML, everything escaped."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from fieldstone.guard.findings import Finding
from fieldstone.guard.statements import Statement, grouped, shortened

if TYPE_CHECKING:
    from fieldstone.guard.page import Kept

_KINDS = {
    "n_plus_one": "N+1",
    "repeated_query": "Repeated query",
    "lazy_load": "Lazy load in async",
    "expired": "Expired",
    "detached": "Detached",
    "shared_session": "Shared session",
    "escaped_session": "Escaped session",
    "commit_in_helper": "Commit in a helper",
    "blocking_call": "Blocking call",
    "lost_write": "Lost write",
    "autocommit_write": "Autocommit",
    "table_as_body": "Table as body",
    "leaked_columns": "Leaked column",
    "over_budget": "Over budget",
}


def requests(path: str, kept: Sequence[Kept]) -> str:
    """Show the last requests, the newest first."""
    if not kept:
        return _whole(
            path, "Requests", '<p class="empty">No request yet. Use the application, then reload.</p>'
        )
    rows = "".join(_row(path, one) for one in kept)
    return _whole(
        path,
        "Requests",
        f"""<p class="lead">{_counted(len(kept), "request")}, the newest first. Reload to see more.</p>
<ul class="requests">{rows}</ul>""",
    )


def request(path: str, kept: Kept, *, values: bool) -> str:
    """Show one request: what was found, and each statement with its line."""
    seen = kept.seen
    found = "".join(_finding(one) for one in seen.findings)
    groups = "".join(
        _group(path, kept, group, values=values)
        for group in sorted(grouped(seen.statements), key=lambda group: group[0].started)
    )
    time_taken = sum(one.seconds or 0 for one in seen.statements)
    facts = " · ".join(
        [
            f"status {seen.status or 'none'}",
            f"{seen.seconds * 1000:.1f} ms",
            f"{_counted(len(seen.statements), 'statement')}, {time_taken * 1000:.1f} ms",
            *([escape(f"{seen.site.place} in {seen.site.function}")] if seen.site else []),
        ]
    )
    statements = groups or '<p class="empty">It sent no statement.</p>'
    return _whole(
        path,
        seen.name,
        f"""<p class="lead">{facts}</p>{found}
<h2>Statements</h2>{statements}""",
    )


def plan(path: str, kept: Kept, statement: Statement, lines: list[str], *, values: bool) -> str:
    """Show how the database would run a statement."""
    return _whole(
        path,
        "Plan",
        f"""<p class="lead"><a href="{path}/{kept.number}">{escape(kept.seen.name)}</a></p>
<section class="card">{_source(statement)}<pre class="sql">{escape(statement.sql)}</pre>
{_parameters(statement, values=values)}</section>
<h2>What the database would do</h2><pre class="card">{escape(chr(10).join(lines))}</pre>""",
    )


def missing(path: str) -> str:
    """Say that a request is no longer kept."""
    return _whole(path, "Not found", '<p class="empty">That request is no longer kept.</p>')


def _row(path: str, kept: Kept) -> str:
    seen = kept.seen
    repeats = max((len(group) for group in grouped(seen.statements)), default=0)
    found = seen.findings
    marks = "".join(f'<span class="mark">{escape(_KINDS[one.kind])}</span>' for one in found[:3])
    repeated = f'<span class="repeat">{repeats}x the same</span>' if repeats > 1 else ""
    return f"""<li class="{"bad" if found else "good"}"><a href="{path}/{kept.number}">
<span class="name"><b>{escape(seen.scope["method"])}</b> {escape(seen.scope["path"])}</span>
<span class="marks">{marks}{repeated}</span>
<span class="number">{len(seen.statements)} <small>statements</small></span>
<span class="number">{seen.seconds * 1000:.1f} <small>ms</small></span>
<span class="status">{seen.status or "none"}</span>
<time>{time.strftime("%H:%M:%S", time.localtime(seen.began))}</time></a></li>"""


def _finding(finding: Finding) -> str:
    text, _, code = finding.message.partition("\n    ")
    shown = f"<pre>{escape(code)}</pre>" if code else ""
    return f"""<section class="finding"><h3>{escape(_KINDS[finding.kind])}: {escape(finding.subject)}</h3>
<p>{escape(text)}</p>{shown}</section>"""


def _group(path: str, kept: Kept, group: list[Statement], *, values: bool) -> str:
    first = group[0]
    taken = sum(one.seconds or 0 for one in group) * 1000
    times = f'<span class="times">{len(group)}x</span>' if len(group) > 1 else ""
    place = kept.seen.statements.index(first)
    asked = f'<a class="plan" href="{path}/{kept.number}/{place}">plan</a>' if first.is_read else ""
    why = (
        f'<span class="why">{escape(first.query.label)}</span>'
        if first.purpose != "query" and first.query
        else ""
    )
    return f"""<section class="card{" repeated" if len(group) > 1 else ""}">
<header>{times}{why}<span class="number">{taken:.2f} <small>ms</small></span>{asked}</header>
{_source(first)}<details><summary><code>{escape(shortened(first.sql))}</code></summary>
<pre class="sql">{escape(first.sql)}</pre>{_parameters(first, values=values)}</details></section>"""


def _source(statement: Statement) -> str:
    site = statement.site
    if site is None:
        return '<p class="source">a line that is not the project\'s</p>'
    code = f"<pre>{escape(site.code)}</pre>" if site.code else ""
    return f'<p class="source">{escape(str(site))}</p>{code}'


def _parameters(statement: Statement, *, values: bool) -> str:
    if not statement.parameters:
        return ""
    if not values:
        return f'<p class="source">{_counted(len(statement.parameters), "value")}, not shown</p>'
    return f'<pre class="source">{escape(repr(statement.parameters))}</pre>'


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _whole(path: str, title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · guard</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{path}/page.css"></head>
<body><nav><a href="{path}">Guard</a><span>development</span></nav>
<main><h1>{escape(title)}</h1>{body}</main></body></html>"""
