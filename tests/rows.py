"""Rows of the table in test_architecture.py: what it stands on, and those of migrations, which are many."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What one module, or one package with all its modules, may import, and which names it must not use."""

    room: str
    rooms: str = ""
    libraries: str = ""
    never: str = ""


PYDANTIC = "pydantic pydantic_core annotated_types typing_extensions"
MODELS = f"{PYDANTIC} sqlalchemy sqlmodel"
NO_IO = "AsyncSession AsyncEngine Engine create_engine create_async_engine exec execute commit flush"
NO_COMMIT = "AsyncEngine Engine create_engine create_async_engine commit begin"

# For rooms that take a savepoint or begin what others end.
NO_ENGINE = "AsyncEngine Engine create_engine create_async_engine"

FOUNDATIONS = (
    Row("errors"),
    Row("cache"),
    Row("keeping", "", "sqlalchemy", NO_IO),
    Row("autocommit", "", "sqlalchemy sqlmodel"),
    Row("verbs", "errors autocommit", "sqlalchemy sqlmodel"),
    Row("listeners", "cache", "sqlalchemy", NO_IO),
    Row("copying", "", "sqlalchemy", "create_engine create_async_engine exec execute commit flush"),
    # What a model declares, and what follows from it.
    Row("models.annotations", "errors", MODELS, NO_IO),
    Row("models.fields", "errors", MODELS, NO_IO),
    Row("models.partials", "errors", PYDANTIC, NO_IO),
    Row("models.columns", "errors models.fields", MODELS, NO_IO),
    Row("models.constraints", "errors models.columns", MODELS, NO_IO),
    Row("models.relationships", "errors models.annotations", MODELS, NO_IO),
    Row("models.inputs", "", MODELS, NO_IO),
    Row("models.validation", "errors models.fields models.columns models.inputs", MODELS, NO_IO),
    Row("models.batches", "cache models.fields models.inputs models.validation", MODELS, NO_IO),
    Row(
        "models.flush",
        "errors listeners models.columns models.validation",
        MODELS,
        "Engine create_engine exec commit",
    ),
    Row(
        "models.mapping",
        "errors models.annotations models.columns models.constraints models.relationships "
        "models.validation models.flush",
        MODELS,
        NO_IO,
    ),
    Row(
        "models.model",
        "errors models.fields models.constraints models.partials models.validation models.flush "
        "models.mapping",
        MODELS,
        NO_IO,
    ),
    Row("models", "models.fields models.constraints models.partials models.model"),
    Row("schemas.tables", "errors", MODELS, NO_IO),
    Row("schemas.loosening", "models.columns", MODELS, NO_IO),
    Row("schemas.values", "errors cache models.columns models.fields schemas.tables", MODELS, NO_IO),
    Row(
        "schemas.comparison",
        "errors models models.columns models.validation schemas.tables schemas.loosening schemas.values",
        MODELS,
        NO_IO,
    ),
    Row("schemas", "models.partials schemas.comparison schemas.values"),
    # What a database refuses, and what it means.
    Row("violations.naming", "", "sqlalchemy sqlmodel", NO_IO),
    Row("violations.failures", "errors", "sqlalchemy"),
    Row("violations.evidence", "violations.failures", "sqlalchemy"),
    Row(
        "violations.explanation",
        "errors violations.naming violations.failures violations.evidence",
        "sqlalchemy sqlmodel",
    ),
    Row("violations", "violations.explanation"),
    # From a URL to a transaction.
    Row("database.tls", "errors"),
    Row("database.libpq", "errors database.tls"),
    Row("database.urls", "errors database.libpq", "sqlalchemy", NO_IO),
    Row("database.settings", "errors database.urls", "pydantic pydantic_settings", NO_IO),
    Row("database.retry", "errors violations.failures", "sqlalchemy"),
    Row("database.breathing"),
    Row("database.hops", "database.breathing", "sqlalchemy"),
    Row("database.turns", "", "sqlalchemy"),
    Row("database.pools", "database.turns", "sqlalchemy"),
    Row("database.freshness", "", "sqlalchemy"),
    Row(
        "database.sqlite",
        "errors violations.failures database.urls database.hops database.turns",
        "sqlalchemy",
    ),
    Row(
        "database.engines",
        "errors copying violations.evidence violations.failures database.retry database.settings "
        "database.freshness database.hops database.pools database.sqlite database.turns database.urls",
        "sqlalchemy",
    ),
    Row(
        "database.bare",
        "errors autocommit listeners violations violations.failures database.freshness database.sqlite "
        "database.turns",
        "sqlalchemy sqlmodel",
    ),
    Row(
        "database.talking",
        "autocommit database.bare database.breathing database.hops database.sqlite",
        "sqlalchemy",
    ),
    Row(
        "database.database",
        "errors autocommit violations database.bare database.engines database.retry database.settings "
        "database.sqlite database.talking database.urls",
        "sqlalchemy sqlmodel",
    ),
    Row("database", "database.database database.settings database.urls"),
)

MIGRATIONS = (
    # Alembic's engine, from a project's settings to the command.
    Row("migrations.canonical", "", "sqlalchemy"),
    Row("migrations.rendering", "migrations.canonical", "alembic sqlalchemy"),
    Row("migrations.arranging", "migrations.canonical migrations.rendering", "alembic sqlalchemy"),
    Row("migrations.comparing", "migrations.canonical", "alembic sqlalchemy"),
    Row("migrations.failures", "errors"),
    Row("migrations.assurance", "migrations.failures"),
    Row("migrations.project", "errors", "sqlalchemy sqlmodel"),
    Row("migrations.rebuilding", "migrations.failures", "alembic sqlalchemy"),
    Row("migrations.waiting", "errors migrations.failures violations.failures", "sqlalchemy"),
    Row(
        "migrations.environment",
        "migrations.project migrations.rebuilding migrations.waiting",
        "alembic sqlalchemy",
    ),
    Row(
        "migrations.recording",
        "errors migrations.assurance migrations.environment migrations.failures",
        "alembic",
    ),
    Row(
        "migrations.declarations",
        "migrations.arranging migrations.failures migrations.recording migrations.rendering",
        "alembic sqlalchemy",
    ),
    Row("migrations.references", "migrations.failures", "sqlalchemy"),
    Row(
        "migrations.renaming",
        "migrations.arranging migrations.declarations migrations.failures migrations.rendering",
        "alembic sqlalchemy",
    ),
    Row("migrations.revisions", "migrations.failures migrations.project", "alembic"),
    Row(
        "migrations.recognising",
        "migrations.canonical migrations.failures migrations.project migrations.recording "
        "migrations.revisions",
        "alembic sqlalchemy",
    ),
    Row(
        "migrations.running",
        "errors migrations.environment migrations.failures migrations.project migrations.recognising "
        "migrations.references migrations.revisions migrations.waiting violations.failures",
        "alembic sqlalchemy",
    ),
    Row(
        "migrations.comparison",
        "migrations.arranging migrations.comparing migrations.declarations migrations.environment "
        "migrations.failures migrations.project migrations.references migrations.renaming "
        "migrations.revisions migrations.running",
        "alembic sqlalchemy",
    ),
    Row("migrations.backfilling", "migrations.failures", "alembic rich sqlalchemy"),
    Row("migrations.enums", "migrations.backfilling", "alembic sqlalchemy"),
    Row(
        "migrations.enumerating",
        "migrations.arranging migrations.enums migrations.rendering",
        "alembic sqlalchemy",
    ),
    Row(
        "migrations.filing",
        "migrations.arranging migrations.project migrations.renaming migrations.rendering "
        "migrations.revisions",
        "alembic sqlalchemy",
    ),
    Row(
        "migrations.filling",
        "migrations.arranging migrations.failures migrations.rendering",
        "sqlalchemy",
    ),
    Row(
        "migrations.adopting",
        "migrations.arranging migrations.canonical migrations.comparing migrations.comparison "
        "migrations.enumerating migrations.environment migrations.failures migrations.filing "
        "migrations.filling migrations.project migrations.rendering",
        "alembic sqlalchemy",
    ),
    Row(
        "migrations.members",
        "migrations.arranging migrations.canonical migrations.failures migrations.filling models.columns",
        "alembic sqlalchemy",
    ),
    Row(
        "migrations.altering",
        "migrations.arranging migrations.failures migrations.filling migrations.members "
        "migrations.rendering models.columns",
        "alembic sqlalchemy",
    ),
    Row(
        "migrations.authoring",
        "migrations.altering migrations.arranging migrations.comparison migrations.enumerating "
        "migrations.failures migrations.filing migrations.members migrations.project "
        "migrations.renaming migrations.rendering migrations.revisions migrations.running",
        "alembic sqlalchemy",
    ),
    Row(
        "migrations.describing",
        "migrations.canonical migrations.comparison migrations.enumerating migrations.enums "
        "migrations.project",
        "alembic sqlalchemy",
    ),
    Row("migrations.dangers"),
    Row("migrations.constraint_dangers", "migrations.dangers", "alembic"),
    Row("migrations.table_dangers", "migrations.dangers", "alembic sqlalchemy"),
    Row(
        "migrations.judging",
        "migrations.constraint_dangers migrations.dangers migrations.recording migrations.table_dangers",
        "alembic",
    ),
    Row("migrations.statements", "migrations.dangers migrations.failures"),
    Row(
        "migrations.linting",
        "migrations.dangers migrations.failures migrations.judging migrations.project "
        "migrations.recording migrations.rendering migrations.revisions migrations.statements",
        "alembic",
    ),
    Row(
        "migrations.verbs",
        "database errors migrations.adopting migrations.arranging migrations.authoring "
        "migrations.comparing migrations.describing migrations.failures migrations.filing "
        "migrations.linting migrations.project migrations.renaming migrations.rendering "
        "migrations.revisions migrations.running migrations.waiting violations",
        "alembic sqlalchemy",
    ),
    Row(
        "migrations.checking",
        "database migrations.failures migrations.project migrations.revisions migrations.running "
        "migrations.verbs",
        "alembic sqlalchemy",
    ),
    Row(
        "migrations.scripting",
        "migrations.environment migrations.failures migrations.project migrations.revisions "
        "migrations.running",
        "alembic",
    ),
    Row(
        "migrations.commands",
        "database migrations.failures migrations.project migrations.revisions migrations.running "
        "migrations.scripting migrations.verbs",
        "rich typer",
    ),
    Row(
        "migrations.zones",
        "migrations.backfilling migrations.failures migrations.recording",
        "alembic sqlalchemy",
    ),
    Row(
        "migrations.steps",
        "migrations.assurance migrations.backfilling migrations.enums migrations.failures migrations.zones",
        "alembic sqlalchemy",
    ),
    Row(
        "migrations",
        "errors migrations.checking migrations.failures migrations.linting migrations.project "
        "migrations.running migrations.steps migrations.verbs",
        "alembic",
    ),
)
