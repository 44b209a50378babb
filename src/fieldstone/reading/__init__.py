"""From a schema to rows: an ordinary select and a schema in, plain schema objects out.

`plans` says what a read takes, `assembly` writes it in SQL and turns rows into values, `twins` and
`objects` make schema objects of them; `fetching`, `streaming`, `trees` and `aggregates` are the verbs, and
`exports` makes files of what they give.
"""

from fieldstone.reading.aggregates import aggregate
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
