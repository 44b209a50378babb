"""The chart of a run, as SVG: times faster than S1, in the colours of the reader's page, light or dark."""

from __future__ import annotations

import math
from collections.abc import Iterator
from xml.sax.saxutils import escape

from benchmarks.results import Results, ratio

WORKED = ("E1", "E2", "E3", "E4", "E5", "E6")
PLACES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
BAR, GAP, LEFT, WIDTH, TOP = 11, 3, 190, 230, 46
STYLE = """
text { font: 11px system-ui, sans-serif; fill: #24292f }
.name { text-anchor: end } .title { font-weight: 600 }
.s7 { fill: #8c959f } .fieldstone { fill: #1f6feb } .other { fill: #d0a215 } .base { stroke: #8c959f }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .fieldstone { fill: #58a6ff } .other { fill: #e3b341 } .s7 { fill: #6e7681 }
}
"""


def chart(results: Results) -> str:
    """Draw one block of bars for each work, SQLite on the left and PostgreSQL on the right."""
    names = [name for name in results.stacks if name != "s1"]
    block = len(names) * (BAR + GAP) + 30
    height = TOP + block * len(WORKED)
    width = LEFT + 2 * (WIDTH + 60)
    title = "Times faster than S1, from a request to its bytes; the scale is logarithmic"
    body = [f'<text x="{LEFT}" y="16" class="title">{title}</text>']
    for column, (place, heading) in enumerate(PLACES.items()):
        x = LEFT + column * (WIDTH + 60)
        body.append(f'<text x="{x}" y="34" class="title">{heading}</text>')
        for row, code in enumerate(WORKED):
            body += bars(results, place, code, names, x, TOP + row * block, named=column == 0)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    opened = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="Times faster than S1">'
    return "\n".join([opened, f"<style>{STYLE}</style>", *body, "</svg>", ""])


def bars(
    results: Results, place: str, code: str, names: list[str], x: int, y: int, *, named: bool
) -> Iterator[str]:
    race = results.some(place, "asgi", code)
    yield f'<text x="{x}" y="{y + 12}" class="title">{code}</text>'
    for position, name in enumerate(names):
        top = y + 18 + position * (BAR + GAP)
        if named:
            title = escape(results.stacks[name])
            yield f'<text x="{LEFT - 8}" y="{top + 9}" class="name">{title}</text>'
        cell = race.get(name)
        faster = ratio(cell, race.get("s1"))
        if faster is None:
            said = cell.state if cell and cell.state != "right" else "-"
            yield f'<text x="{x + 3}" y="{top + 9}">{"-" if said == "missing" else said}</text>'
            continue
        long = length(faster)
        kind = "s7" if name == "s7" else "fieldstone" if name.startswith("fieldstone") else "other"
        yield f'<rect x="{x}" y="{top}" width="{long:.1f}" height="{BAR}" class="{kind}"/>'
        yield f'<text x="{x + long + 4:.1f}" y="{top + 9}">{faster:.1f}</text>'
    one = x + length(1)
    bottom = y + 18 + len(names) * (BAR + GAP)
    yield f'<line x1="{one:.1f}" x2="{one:.1f}" y1="{y + 16}" y2="{bottom}" class="base"/>'


def length(faster: float) -> float:
    """Give the length of a bar: from a tenth of the speed of S1 to a thousand times it."""
    return WIDTH * (math.log10(min(max(faster, 0.1), 1000)) + 1) / 4
