"""Where a project keeps its models and its migrations: `[tool.fieldstone]` in pyproject.toml.

    [tool.fieldstone]
    models = ["app.models"]        # modules to import; "app.models:Base" for metadata of your own
    migrations = "migrations"      # where the revision files stand, beside pyproject.toml

The database URL is not part of it: it comes from the environment, as everywhere.
"""

from __future__ import annotations

import ast
import importlib
import sys
import tomllib
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from fieldstone.errors import ConfigurationError

EXAMPLE = '[tool.fieldstone]\nmodels = ["app.models"]\nmigrations = "migrations"'

_KEYS = {"models", "migrations", "version_table", "version_table_schema", "online"}


@dataclass(frozen=True)
class Project:
    """Name what migrations need to know of a project.

    `models` are modules, each alone or as "module:name" of a MetaData or of a class that has one.
    `online` says whether `new` writes what a busy PostgreSQL can bear (None: where it is written
    against one).
    """

    models: tuple[str, ...]
    location: Path
    root: Path = Path()
    version_table: str = "alembic_version"
    version_table_schema: str | None = None
    online: bool | None = None

    @property
    def versions(self) -> Path:
        """Give the directory of the revision files; an Alembic project has them one level down."""
        nested = self.location / "versions"
        return nested if nested.is_dir() else self.location

    def metadata(self) -> list[MetaData]:
        """Import the models, and give every metadata that they stand in."""
        found: list[MetaData] = []
        for spec in self.models:
            metadata = _metadata_of(spec, self.root)
            if not any(metadata is known for known in found):
                found.append(metadata)
        return found


def read(start: Path | None = None) -> Project:
    """Read the nearest pyproject.toml at or above a directory (the working directory)."""
    here = (start or Path()).resolve()
    for directory in (here, *here.parents):
        file = directory / "pyproject.toml"
        if file.is_file():
            return _from_table(_table(file), file)
    raise ConfigurationError(
        f"No pyproject.toml stands in {here} or above it. Run this inside the project, or write "
        f"one:\n\n{EXAMPLE}"
    )


def _table(file: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("fieldstone")
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is no TOML: {error}. Correct it.") from None
    if table is None:
        raise ConfigurationError(
            f"{file} has no [tool.fieldstone], so nothing says where the models are. Add:\n\n{EXAMPLE}"
        )
    return dict(table)


def _from_table(table: dict[str, Any], file: Path) -> Project:
    # A table within it, such as [tool.fieldstone.check], is another room's.
    for key in {name for name, value in table.items() if not isinstance(value, dict)} - _KEYS:
        raise ConfigurationError(
            f"[tool.fieldstone] in {file} sets {key!r}, which is unknown. "
            f"It may set: {', '.join(sorted(_KEYS))}."
        )
    models = table.get("models")
    models = [models] if isinstance(models, str) else models
    if not isinstance(models, list) or not models or not all(isinstance(spec, str) for spec in models):
        raise ConfigurationError(
            f"[tool.fieldstone] in {file} does not say where the models are. Add:\n\n{EXAMPLE}"
        )
    _refuse_kinds(table, file)
    return Project(
        models=tuple(models),
        location=file.parent / table.get("migrations", "migrations"),
        root=file.parent,
        version_table=table.get("version_table", "alembic_version"),
        version_table_schema=table.get("version_table_schema"),
        online=table.get("online"),
    )


def _refuse_kinds(table: dict[str, Any], file: Path) -> None:
    for key, value in table.items():
        wanted, example = (bool, "true") if key == "online" else (str, '"a name"')
        if key in _KEYS - {"models"} and not isinstance(value, wanted):
            raise ConfigurationError(
                f"[tool.fieldstone] in {file} sets {key} = {value!r}, which is of another kind. "
                f"Write it like: {key} = {example}"
            )


def _metadata_of(spec: str, root: Path) -> MetaData:
    module_name, _, attribute = spec.partition(":")
    _make_importable(root)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise _not_importable(spec, error) from error
        raise ConfigurationError(
            f"[tool.fieldstone] names the models {spec!r}, and there is no module {error.name!r} in "
            f"{root} or {root / 'src'}. Correct the name, or install the package."
        ) from None
    except Exception as error:
        raise _not_importable(spec, error) from error
    target = getattr(module, attribute, None) if attribute else SQLModel
    metadata = target if isinstance(target, MetaData) else getattr(target, "metadata", None)
    if not isinstance(metadata, MetaData):
        raise ConfigurationError(
            f"[tool.fieldstone] names the models {spec!r}, and {attribute!r} is neither a MetaData nor a "
            f"class that has one. Write {module_name!r} for SQLModel's own."
        )
    return metadata


def _not_importable(spec: str, error: Exception) -> ConfigurationError:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return ConfigurationError(
        f"[tool.fieldstone] names the models {spec!r}, and importing them fails: "
        f"{type(error).__name__}: {error} ({frame.filename}, line {frame.lineno}). Correct that first."
    )


def _make_importable(root: Path) -> None:
    for directory in (root / "src", root):
        if directory.is_dir() and str(directory) not in sys.path:
            sys.path.insert(0, str(directory))


# Models that nobody imported


def unimported(root: Path, tables: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (module, table) of classes below a directory that declare one of the tables unseen.

    They are found by reading, not by importing: importing a whole project may start anything.
    """
    wanted = set(tables)
    for file in sorted(root.rglob("*.py")):
        relative = file.relative_to(root)
        if any(part.startswith((".", "__pycache__")) or part in _NOT_MODELS for part in relative.parts):
            continue
        module = _module_name(relative)
        if module in sys.modules:
            continue
        for table in _declared(file):
            if table in wanted:
                yield module, table


_NOT_MODELS = {"site-packages", "node_modules", "build", "dist"}


def _module_name(relative: Path) -> str:
    parts = list(relative.with_suffix("").parts)
    parts = parts[1:] if parts[0] == "src" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _declared(file: Path) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(_is_table_flag(keyword) for keyword in node.keywords):
            yield _written_name(node) or node.name.lower()


def _is_table_flag(keyword: ast.keyword) -> bool:
    return keyword.arg == "table" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True


def _written_name(node: ast.ClassDef) -> str | None:
    for statement in node.body:
        targets = (
            statement.targets
            if isinstance(statement, ast.Assign)
            else [statement.target]
            if isinstance(statement, ast.AnnAssign)
            else []
        )
        value = getattr(statement, "value", None)
        for target in targets:
            named = isinstance(target, ast.Name) and target.id == "__tablename__"
            if named and isinstance(value, ast.Constant) and isinstance(value.value, str):
                return value.value
    return None
