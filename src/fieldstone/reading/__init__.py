"""From a schema to rows: an ordinary select and a schema in, plain schema objects out.

`plans` says what a read takes and `assembly` writes it in SQL. `ways` are the two ways to run that: whole,
through SQLAlchemy's execution, or prepared, on the driver's own rows (`preparation`, `gathering`,
`rendering`).
`twins` and `objects` make schema objects; `exactness` tells where JSON can do without them. `fetching`,
`answers`, `streaming`, `trees` and `aggregates` are the verbs, and `exports` makes files of what they give.
"""

from fieldstone.reading.aggregates import aggregate
from fieldstone.reading.answers import json, json_get, json_get_versioned, json_page, json_seek
from fieldstone.reading.exports import to_csv, to_ndjson
from fieldstone.reading.fetching import (
    count,
    exists,
    fetch,
    first,
    get,
    get_versioned,
    one,
    one_or_none,
    page,
    seek,
)
from fieldstone.reading.plans import Depth, ReadPlan, loading, plan
from fieldstone.reading.streaming import stream
from fieldstone.reading.trees import ancestors, subtree

__all__ = [
    "Depth",
    "ReadPlan",
    "aggregate",
    "ancestors",
    "count",
    "exists",
    "fetch",
    "first",
    "get",
    "get_versioned",
    "json",
    "json_get",
    "json_get_versioned",
    "json_page",
    "json_seek",
    "loading",
    "one",
    "one_or_none",
    "page",
    "plan",
    "seek",
    "stream",
    "subtree",
    "to_csv",
    "to_ndjson",
]
