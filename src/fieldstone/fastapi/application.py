"""A database and its errors, built into an application once.

Nothing connects at start-up: a database that sleeps or comes up later must not keep a worker from
starting, and the first request that needs it is answered 503 until it is there. An application that
would rather not start says so in its own lifespan.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler

from fieldstone.database import Database
from fieldstone.errors import ConfigurationError
from fieldstone.fastapi.answers import handlers
from fieldstone.fastapi.problems import ProblemDetails, problem_responses

_OF_FASTAPI = (http_exception_handler, request_validation_exception_handler)


def install(app: FastAPI, database: Database) -> None:
    """Give an application its database, problem+json for every error, and a shutdown that closes it.

    The application's own lifespan and error handlers stay; those it adds afterwards win. Call it
    where the application is made, and on every mounted application that uses the database.
    """
    if getattr(app.state, "database", None) is not None:
        raise ConfigurationError(
            f"The application {app.title!r} already has a database. Call install(app, db) once; "
            "in tests, override the dependency: app.dependency_overrides[database] = lambda: test_database."
        )
    if app.middleware_stack is not None:
        raise ConfigurationError(
            f"The application {app.title!r} has already started, so install(app, db) comes too late. "
            "Call it where the application is made."
        )
    app.state.database = database
    for error, handler in handlers().items():
        own = app.exception_handlers.get(error) or (error is Exception and app.exception_handlers.get(500))
        if not own or own in _OF_FASTAPI:
            app.add_exception_handler(error, handler)
    _close_at_shutdown(app, database)
    _describe_problems(app)


def _close_at_shutdown(app: FastAPI, database: Database) -> None:
    own = app.router.lifespan_context

    @functools.wraps(own, updated=())  # so that one can see whether the application has a lifespan of its own
    @asynccontextmanager
    async def lifespan(started: Any) -> AsyncIterator[Any]:
        try:
            async with own(started) as state:
                yield state
        finally:
            await database.aclose()

    app.router.lifespan_context = lifespan


def _describe_problems(app: FastAPI) -> None:
    """Make OpenAPI tell what is sent: FastAPI documents its own 422, which no longer occurs."""
    own: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        document = own()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "ProblemDetails" not in schemas:
            _replace_validation_errors(document, schemas)
            _add_problem_schemas(schemas)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # how FastAPI's documentation extends the schema


def _add_problem_schemas(schemas: dict[str, Any]) -> None:
    schema = ProblemDetails.model_json_schema(
        mode="serialization", ref_template="#/components/schemas/{model}"
    )
    schemas.update(schema.pop("$defs"))
    schemas["ProblemDetails"] = schema


def _replace_validation_errors(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    reference = {"$ref": "#/components/schemas/HTTPValidationError"}
    for path in document.get("paths", {}).values():
        for operation in path.values():
            content = operation.get("responses", {}).get("422", {}).get("content", {})
            if content.get("application/json", {}).get("schema") == reference:
                operation["responses"]["422"] = problem_responses(422)[422]
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
