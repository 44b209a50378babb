"""Models: SQLModel, hardened.

`model` holds the class, `mapping` makes tables of its subclasses, `columns`, `constraints` and
`relationships` say what a declaration means there, `validation` and `flush` keep the rules, and
`fields` and `partials` are what a schema's fields can be.
"""

from fieldstone.models.constraints import NAMING_CONVENTION
from fieldstone.models.fields import AssumedUtc, Json, StoredAs, UtcDatetime, ZeroAsNull
from fieldstone.models.model import (
    Field,
    Model,
    Relationship,
    SoftDeleted,
    Timestamps,
    UUIDKey,
    Versioned,
)
from fieldstone.models.partials import partial

__all__ = [
    "NAMING_CONVENTION",
    "AssumedUtc",
    "Field",
    "Json",
    "Model",
    "Relationship",
    "SoftDeleted",
    "StoredAs",
    "Timestamps",
    "UUIDKey",
    "UtcDatetime",
    "Versioned",
    "ZeroAsNull",
    "partial",
]
