"""Serve a database over HTTP with FastAPI: sessions, routes and problem+json.

app = FastAPI()
install(app, db)
app.include_router(routes(tasks))
"""

from fieldstone.errors import MissingExtra

try:
    import fastapi as _fastapi  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingExtra("fieldstone.fastapi", module="fastapi", extra="fastapi") from error

from fieldstone.fastapi.application import install
from fieldstone.fastapi.preconditions import ETag, IfMatch, RequiredIfMatch
from fieldstone.fastapi.problems import ProblemDetails, problem_responses
from fieldstone.fastapi.routes import routes
from fieldstone.fastapi.sessions import (
    AsyncAutocommit,
    AsyncReadSession,
    AsyncStreamSession,
    AsyncWriteSession,
    Autocommit,
    CurrentDatabase,
    ReadSession,
    StreamSession,
    WriteSession,
    database,
)

__all__ = [
    "AsyncAutocommit",
    "AsyncReadSession",
    "AsyncStreamSession",
    "AsyncWriteSession",
    "Autocommit",
    "CurrentDatabase",
    "ETag",
    "IfMatch",
    "ProblemDetails",
    "ReadSession",
    "RequiredIfMatch",
    "StreamSession",
    "WriteSession",
    "database",
    "install",
    "problem_responses",
    "routes",
]
