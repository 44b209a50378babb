"""What a project names in its pytest settings: `package.module:attribute`, and modules with models."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from fieldstone.errors import ConfigurationError

_SECTION = "[tool.pytest.ini_options]"


def load(path: str, setting: str) -> Any:
    """Import what a setting names."""
    module, _, attribute = path.partition(":")
    if not attribute:
        raise ConfigurationError(
            f"{setting} = {path!r} names no attribute. Write 'package.module:attribute'."
        )
    found = load_module(module, setting)
    if not hasattr(found, attribute):
        raise ConfigurationError(
            f"{setting} = {path!r}: the module {module!r} has no {attribute!r}. Name what it defines."
        )
    return getattr(found, attribute)


def load_module(name: str, setting: str) -> ModuleType:
    """Import a module; an error inside it stays what it is."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(
            f"{setting} names {name!r}, which cannot be imported: there is no module {error.name!r}. "
            f'Correct the name, or put its directory on the path: pythonpath = ["."] under {_SECTION}.'
        ) from error


def known_tables(app: str, models: Sequence[str]) -> MetaData:
    """Return SQLModel's tables, once the modules that define them have been imported."""
    for module in models:
        load_module(module, "fieldstone_models")
    if app:
        load_module(app.partition(":")[0], "fieldstone_app")
    if not SQLModel.metadata.tables:
        raise ConfigurationError(
            "No model has been imported, so the test database would have no tables. Name the modules that "
            f'define them: fieldstone_models = ["package.models"] under {_SECTION}. Models with a MetaData '
            "of their own need a fixture 'fieldstone_metadata' that returns it."
        )
    return SQLModel.metadata
