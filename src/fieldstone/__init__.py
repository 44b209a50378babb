"""SQLModel made production-grade: one set of models, from schema to API, sync and async."""

from fieldstone.database import Database
from fieldstone.errors import (
    CommitOutcomeUnknown,
    ConfigurationError,
    Conflict,
    DataError,
    DesignError,
    FieldstoneError,
    InvalidValues,
    MissingExtra,
    ModelError,
    MultipleFound,
    NotFound,
    NotLoaded,
    NotSent,
    PlanError,
    Problem,
    ReadOnlyTransaction,
    SchemaError,
    StaleVersion,
    TransactionConflict,
    TransactionError,
    Unavailable,
    UrlError,
)
from fieldstone.fields import AssumedUtc, Json, StoredAs, UtcDatetime, ZeroAsNull
from fieldstone.models import Field, Model, Relationship, Timestamps, UUIDKey, Versioned
from fieldstone.pages import Page
from fieldstone.partials import partial
from fieldstone.plans import Depth, ReadPlan, loading, plan
from fieldstone.reading import count, exists, fetch, first, get, one, one_or_none, page
from fieldstone.resource import Resource
from fieldstone.settings import Settings
from fieldstone.verbs import verb
from fieldstone.writing import create, delete, patch

__all__ = [
    "AssumedUtc",
    "CommitOutcomeUnknown",
    "ConfigurationError",
    "Conflict",
    "DataError",
    "Database",
    "Depth",
    "DesignError",
    "Field",
    "FieldstoneError",
    "InvalidValues",
    "Json",
    "MissingExtra",
    "Model",
    "ModelError",
    "MultipleFound",
    "NotFound",
    "NotLoaded",
    "NotSent",
    "Page",
    "PlanError",
    "Problem",
    "ReadOnlyTransaction",
    "ReadPlan",
    "Relationship",
    "Resource",
    "SchemaError",
    "Settings",
    "StaleVersion",
    "StoredAs",
    "Timestamps",
    "TransactionConflict",
    "TransactionError",
    "UUIDKey",
    "Unavailable",
    "UrlError",
    "UtcDatetime",
    "Versioned",
    "ZeroAsNull",
    "count",
    "create",
    "delete",
    "exists",
    "fetch",
    "first",
    "get",
    "loading",
    "one",
    "one_or_none",
    "page",
    "partial",
    "patch",
    "plan",
    "verb",
]
