"""The shape of the package, held to what docs/architecture.md says about it.

A module imports what its row allows and nothing else, wherever in the file the import stands.
Rows are in order: none may name a row below it, so the rooms cannot come to depend on each other
in a circle.
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import fieldstone
from tests.imports import FILES, PACKAGE, ROOM_NAMES, ROOT, Import, file_name, imports, parsed, room_of


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

ROWS = (
    Row("errors"),
    Row("cache"),
    Row("verbs", "errors", "sqlalchemy sqlmodel"),
    # What a model declares, and what follows from it.
    Row("models.annotations", "errors", MODELS, NO_IO),
    Row("models.fields", "errors", MODELS, NO_IO),
    Row("models.partials", "errors", PYDANTIC, NO_IO),
    Row("models.columns", "errors models.fields", MODELS, NO_IO),
    Row("models.constraints", "errors models.columns", MODELS, NO_IO),
    Row("models.relationships", "errors models.annotations", MODELS, NO_IO),
    Row("models.inputs", "", MODELS, NO_IO),
    Row("models.validation", "errors models.fields models.columns models.inputs", MODELS, NO_IO),
    Row(
        "models.flush",
        "errors models.columns models.validation",
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
    Row("schemas.values", "errors models.columns models.fields schemas.tables", MODELS, NO_IO),
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
    Row("database.hops", "", "sqlalchemy"),
    Row("database.sqlite", "errors violations.failures database.urls database.hops", "sqlalchemy"),
    Row(
        "database.engines",
        "errors violations.evidence violations.failures database.retry database.settings "
        "database.hops database.sqlite database.urls",
        "sqlalchemy",
    ),
    Row(
        "database.database",
        "errors violations database.engines database.retry database.settings database.sqlite database.urls",
        "sqlalchemy sqlmodel",
    ),
    Row("database", "database.database database.settings database.urls"),
    # From a schema to rows, and back.
    Row("keys", "errors cache", MODELS, NO_IO),
    Row("listeners", "", "sqlalchemy", NO_IO),
    Row("visibility", "listeners models", MODELS, NO_IO),
    Row("branches", "cache keys", MODELS, NO_IO),
    Row("scopes", "errors keys models models.validation visibility", MODELS, NO_COMMIT),
    Row("writing.cycles", "errors cache keys models branches", MODELS, NO_COMMIT),
    Row("reading.twins", "cache models.inputs", MODELS, NO_IO),
    Row("reading.forms", "", PYDANTIC, NO_IO),
    Row("reading.anatomy", "models.fields reading.twins", MODELS, NO_IO),
    Row("reading.expressions", "models.columns reading.forms", MODELS, NO_IO),
    Row(
        "reading.exactness",
        "cache models.fields models.columns reading.forms reading.anatomy reading.expressions",
        MODELS,
        NO_IO,
    ),
    Row("reading.plans", "errors cache keys reading.exactness schemas", MODELS, NO_IO),
    Row("reading.unreadable", "errors keys violations.failures", MODELS, NO_COMMIT),
    Row("reading.objects", "reading.twins reading.unreadable", MODELS, NO_IO),
    Row("reading.assembly", "errors cache keys reading.plans visibility", MODELS, NO_IO),
    Row("reading.preparation", "reading.assembly", "sqlalchemy", NO_IO),
    Row(
        "reading.composition",
        "reading.plans reading.exactness reading.expressions reading.assembly reading.preparation",
        MODELS,
        NO_IO,
    ),
    Row("reading.latency"),
    Row("reading.shapes", "reading.plans reading.assembly", "", NO_IO),
    Row(
        "reading.gathering",
        "keys listeners reading.plans reading.assembly reading.preparation reading.latency reading.shapes "
        "reading.unreadable violations.evidence",
        "sqlalchemy sqlmodel",
        NO_COMMIT,
    ),
    Row(
        "reading.rendering",
        "cache reading.exactness reading.forms reading.plans reading.assembly reading.shapes "
        "reading.gathering reading.unreadable",
        "pydantic_core orjson",
        NO_IO,
    ),
    Row(
        "reading.composed",
        "cache database.settings reading.plans reading.exactness reading.expressions reading.assembly "
        "reading.preparation reading.composition reading.latency reading.gathering",
        MODELS,
        NO_COMMIT,
    ),
    Row(
        "reading.ways",
        "keys reading.composed reading.anatomy reading.forms reading.plans reading.objects reading.assembly "
        "reading.preparation reading.gathering reading.rendering reading.unreadable scopes visibility",
        MODELS,
        NO_COMMIT,
    ),
    Row("paging.cursors", "errors cache", "pydantic pydantic_settings", NO_IO),
    Row("paging.joins", "errors", MODELS, NO_IO),
    Row("paging.ordering", "errors keys paging.joins", MODELS, NO_IO),
    Row("paging.keyset", "keys paging.cursors paging.ordering", MODELS, NO_IO),
    Row("paging.pages", "errors cache paging.ordering", MODELS, NO_IO),
    Row("paging.navigation", "paging.pages"),
    Row(
        "reading.fetching",
        "errors verbs keys reading.plans reading.assembly reading.ways paging.cursors "
        "paging.keyset paging.pages visibility",
        MODELS,
        NO_COMMIT,
    ),
    Row(
        "reading.answers",
        "errors cache verbs reading.rendering reading.ways reading.fetching paging.cursors paging.pages",
        MODELS,
        NO_COMMIT,
    ),
    Row("writing.uniques", "errors keys models.constraints", MODELS, NO_IO),
    Row("writing.rows", "errors cache keys models.validation schemas schemas.values", MODELS, NO_IO),
    Row(
        "writing.nesting", "errors keys models.validation schemas writing.uniques writing.rows", MODELS, NO_IO
    ),
    Row("writing.children", "errors keys writing.nesting writing.uniques", MODELS, NO_COMMIT),
    Row("writing.versions", "errors keys", MODELS, NO_IO),
    Row("writing.synchronising", "reading.assembly keys", MODELS, NO_COMMIT),
    Row(
        "writing.marking",
        "errors cache keys models.fields visibility writing.rows writing.synchronising",
        MODELS,
        NO_COMMIT,
    ),
    Row(
        "writing.single",
        "errors verbs keys writing.cycles schemas writing.nesting writing.children "
        "writing.versions violations visibility writing.marking scopes",
        MODELS,
        NO_COMMIT,
    ),
    Row("writing.conflicts", "errors keys models writing.rows writing.uniques visibility", MODELS, NO_IO),
    Row("writing.returned", "errors reading.objects reading.plans", MODELS, NO_IO),
    Row(
        "writing.upserting",
        "errors verbs keys writing.cycles reading.fetching writing.conflicts writing.returned "
        "writing.rows writing.synchronising writing.uniques violations violations.failures "
        "scopes",
        MODELS,
        NO_COMMIT,
    ),
    Row(
        "writing.bulk",
        "errors verbs keys writing.cycles writing.returned writing.rows "
        "writing.synchronising violations visibility models.fields writing.marking scopes",
        MODELS,
        NO_COMMIT,
    ),
    Row("writing.links", "errors cache keys branches schemas visibility", MODELS, NO_IO),
    Row(
        "writing.linking",
        "errors verbs keys writing.links violations visibility scopes",
        MODELS,
        NO_COMMIT,
    ),
    Row("aftercommit", "verbs", "sqlalchemy sqlmodel", f"{NO_ENGINE} commit"),
    Row("reading.aggregates", "errors verbs reading.objects reading.unreadable", MODELS, NO_COMMIT),
    Row(
        "reading.streaming",
        "errors keys reading.plans reading.assembly reading.unreadable reading.ways visibility",
        MODELS,
        NO_COMMIT,
    ),
    Row("reading.exports", "errors", PYDANTIC, NO_IO),
    Row(
        "writing.claiming",
        "errors verbs keys reading.plans reading.assembly reading.ways schemas violations",
        MODELS,
        NO_COMMIT,
    ),
    Row("filters", "errors keys models.columns models.fields models.inputs", MODELS, NO_IO),
    Row(
        "reading.trees",
        "errors cache verbs keys branches reading.plans schemas reading.objects reading.fetching",
        MODELS,
        NO_COMMIT,
    ),
    Row(
        "reading",
        "reading.aggregates reading.answers reading.exports reading.fetching reading.plans reading.streaming "
        "reading.trees",
    ),
    Row("paging", "paging.cursors paging.navigation paging.pages"),
    Row("writing", "writing.bulk writing.claiming writing.linking writing.single writing.upserting"),
    Row(
        "history",
        "errors cache verbs listeners models models.fields keys writing.uniques paging.pages reading "
        "visibility scopes",
        MODELS,
        NO_ENGINE,
    ),
    Row(
        "resource",
        "errors keys reading.exports reading.plans paging.cursors paging.ordering paging.pages filters "
        "schemas",
        MODELS,
        NO_IO,
    ),
    Row("guard", "errors listeners", "sqlalchemy greenlet"),
    Row(
        "face",
        "aftercommit database errors filters guard history models paging.cursors paging.navigation "
        "paging.pages reading reading.aggregates reading.answers reading.exports reading.plans "
        "reading.streaming reading.trees resource scopes verbs visibility writing writing.bulk "
        "writing.claiming writing.linking writing.upserting",
    ),
    # The edges, each with its own framework.
    Row(
        "fastapi",
        "errors cache verbs violations database keys paging.cursors paging.pages "
        "paging.navigation filters reading reading.exports writing resource scopes",
        f"{MODELS} fastapi starlette anyio",
    ),
    Row("check", "errors", "typer rich watchfiles lsprotocol pygls"),
    Row(
        "migrations",
        "errors violations.failures database models models.columns",
        "sqlalchemy sqlmodel alembic typer rich",
    ),
    Row(
        "testing",
        "errors cache verbs database guard fastapi migrations",
        f"{MODELS} fastapi starlette httpx2 polyfactory pytest pytest_asyncio",
    ),
    Row("cli", "errors", "typer"),
    Row(
        "template",
        "fieldstone fastapi",
        f"{MODELS} fastapi fastapi_offline starlette jinja2 python_multipart rich uvicorn",
    ),
)
TABLE = {row.room: row for row in ROWS}


def test_every_room_has_a_row_and_every_row_a_room() -> None:
    assert set(TABLE) == ROOM_NAMES


def test_rows_name_only_rows_above_them() -> None:
    above = {"fieldstone"}
    for row in ROWS:
        assert set(row.rooms.split()) <= above, row.room
        above.add(row.room)


@pytest.mark.parametrize("file", [f for f in FILES if room_of(f) != "__init__"], ids=file_name)
def test_a_module_imports_what_its_row_allows(file: Path) -> None:
    room = room_of(file)
    row = TABLE[room]
    allowed = {room, *row.rooms.split()}
    libraries = set(row.libraries.split())
    refused = [
        str(one)
        for one in imports(file)
        if (
            one.room not in allowed
            if one.library == "fieldstone"
            else one.library not in libraries and one.library not in sys.stdlib_module_names
        )
    ]
    assert not refused, f"The row of {room} does not allow: {refused}"


@pytest.mark.parametrize("file", FILES, ids=file_name)
def test_a_module_uses_no_name_that_its_row_forbids(file: Path) -> None:
    row = TABLE.get(room_of(file), Row(""))
    forbidden = set(row.never.split())
    used = [
        f"line {node.lineno}: {name}"
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Name | ast.Attribute)
        for name in [node.id if isinstance(node, ast.Name) else node.attr]
        if name in forbidden
    ]
    assert not used


@pytest.mark.parametrize("file", FILES, ids=file_name)
def test_no_module_takes_a_private_name_of_another(file: Path) -> None:
    taken = [str(one) for one in imports(file) if one.library == "fieldstone" and private(one)]
    assert not taken


def private(one: Import) -> bool:
    return any(
        part.startswith("_") for part in (*one.module.split("."), one.name or "") if part != "__version__"
    )


@pytest.mark.parametrize("file", [f for f in FILES if room_of(f) == "template"], ids=file_name)
def test_the_template_takes_public_names_only(file: Path) -> None:
    for one in imports(file):
        if one.library == "fieldstone" and one.room != "template":
            public = importlib.import_module(one.module).__all__
            assert one.name in public, f"{one} is not public"


@pytest.mark.parametrize("module", ["fieldstone.face", "fieldstone.fastapi", "fieldstone.testing.face"])
def test_public_names_are_sorted_and_taken_from_the_rooms(module: str) -> None:
    imported = importlib.import_module(module)
    offered = {one.name for one in imports(Path(str(imported.__file__))) if one.library == "fieldstone"}
    assert imported.__all__ == sorted(imported.__all__)
    assert set(imported.__all__) <= offered


def test_the_face_of_the_package_holds_public_names_and_nothing_else() -> None:
    face = PACKAGE / "face.py"
    assert {one.name for one in imports(face)} == set(fieldstone.__all__)
    allowed = (ast.Expr, ast.ImportFrom, ast.Assign)
    assert all(isinstance(statement, allowed) for statement in parsed(face).body)


def test_the_package_offers_its_face() -> None:
    assert set(fieldstone.__all__) <= set(dir(fieldstone))
    assert fieldstone.Model is importlib.import_module("fieldstone.face").Model
    with pytest.raises(AttributeError, match="nothing_such"):
        fieldstone.nothing_such  # type: ignore[attr-defined]  # noqa: B018  # it is what must fail


@pytest.mark.parametrize("module", ["fieldstone", "fieldstone.cli", "fieldstone.testing.plugin"])
def test_what_starts_a_process_imports_no_sqlalchemy(module: str) -> None:
    code = f"import sys, {module}; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_page_about_the_architecture_names_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.split("| room |")[1].split("\n\n")[0]
    first_column = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
    assert {name for cell in first_column for name in re.findall(r"`([\w.]+)`", cell)} == ROOM_NAMES
