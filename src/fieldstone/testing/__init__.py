"""For tests of code that uses Fieldstone: a real PostgreSQL, and the statements that ran."""

from fieldstone.testing.postgres import PostgresUnavailable, postgres_server
from fieldstone.testing.statements import count_statements

__all__ = ["PostgresUnavailable", "count_statements", "postgres_server"]
