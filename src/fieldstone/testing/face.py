"""The public names of the test kit."""

from fieldstone.testing.applications import override
from fieldstone.testing.factories import make, make_many
from fieldstone.testing.making import AsyncMake, Make
from fieldstone.testing.postgres import PostgresUnavailable, postgres_server
from fieldstone.testing.queries import Budgeted, exact_queries, max_queries, no_n_plus_one
from fieldstone.testing.statements import count_statements

__all__ = [
    "AsyncMake",
    "Budgeted",
    "Make",
    "PostgresUnavailable",
    "count_statements",
    "exact_queries",
    "make",
    "make_many",
    "max_queries",
    "no_n_plus_one",
    "override",
    "postgres_server",
]
