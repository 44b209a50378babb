"""Read the database's set-up from the environment, or from a `.env` file beside the program.

`DATABASE_URL` keeps the name that providers and hosts already use; everything else begins with
`FIELDSTONE_`. What is passed to `Database(...)` wins over what stands here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from fieldstone.database.urls import EXAMPLES
from fieldstone.errors import ConfigurationError, UrlError

JsonBy = Literal["auto", "rows", "database"]
JSON_BY = "fieldstone_json_by"
"""The execution option of an engine that says who writes the JSON of its reads."""

Seconds = Annotated[float, Field(gt=0)]


class Settings(BaseSettings):
    """Hold the set-up of a Database; times are in seconds.

    `pool_recycle` stays below the five minutes after which Neon suspends an idle database.
    `lock_timeout` is how long a SQLite statement waits for another writer. A lost or sleeping
    server is asked `connect_attempts` times within `connect_patience`. `json_by` says who writes JSON
    where both can: the database, this process from rows, or whoever is likely to be faster.
    """

    model_config = SettingsConfigDict(
        env_prefix="FIELDSTONE_", env_file=".env", extra="ignore", hide_input_in_errors=True, frozen=True
    )

    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL", repr=False)
    serverless: bool = False
    echo: bool = False
    pool_size: int = Field(default=5, ge=1)
    max_overflow: int = Field(default=10, ge=0)
    pool_timeout: Seconds = 10.0
    pool_recycle: int = Field(default=240, ge=1)
    lock_timeout: Seconds = 10.0
    connect_attempts: int = Field(default=5, ge=1)
    connect_patience: Seconds = 20.0
    json_by: JsonBy = "auto"

    @property
    def required_url(self) -> str:
        """Give the URL, or say what to set."""
        if not (self.database_url or "").strip():
            raise UrlError(f"No database is named: DATABASE_URL is not set. Set it to {EXAMPLES}.")
        return self.database_url or ""


def load(**given: Any) -> Settings:
    """Read the environment; values given (and not None) win over it."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problems = "; ".join(f"{_name(problem['loc'])}: {problem['msg']}" for problem in error.errors())
        raise ConfigurationError(
            f"The database settings are wrong: {problems}. "
            "Correct the environment, or what Database(...) was given."
        ) from None


def _name(location: tuple[str | int, ...]) -> str:
    name = str(location[0]) if location else "settings"
    return name if name.isupper() else f"{name} (FIELDSTONE_{name.upper()})"
