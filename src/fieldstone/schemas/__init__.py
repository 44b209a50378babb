"""What a schema has against what its table has, and the way of its values into the table."""

from fieldstone.models.partials import partial
from fieldstone.schemas.comparison import (
    check_create,
    check_read,
    check_update,
    related_schema,
    server_made,
)
from fieldstone.schemas.values import stored_values

__all__ = [
    "check_create",
    "check_read",
    "check_update",
    "partial",
    "related_schema",
    "server_made",
    "stored_values",
]
