"""The shape of the package, held to what docs/architecture.md says about it.

A module imports what its row allows and nothing else, wherever in the file the import stands.
Rows are in order: none may name a row below it, so the rooms cannot come to depend on each other
in a circle.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.imports import FILES, ROOM_NAMES, ROOT, file_name, imports, parsed, room_of
from tests.rows import FOUNDATIONS, MIGRATIONS, MODELS, NO_COMMIT, NO_ENGINE, NO_IO, PYDANTIC, Row

ROWS = (
    *FOUNDATIONS,
    # From a schema to rows, and back.
    Row("keys", "errors cache", MODELS, NO_IO),
    Row("visibility", "listeners models", MODELS, NO_IO),
    Row("branches", "cache keys", MODELS, NO_IO),
    Row("scopes", "errors keys models models.validation visibility", MODELS, NO_COMMIT),
    Row("writing.cycles", "errors cache keys listeners models branches", MODELS, NO_COMMIT),
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
    Row("reading.effects", "", "sqlalchemy", NO_IO),
    Row("reading.preparation", "keeping reading.assembly reading.effects", "sqlalchemy", NO_IO),
    Row("reading.selecting", "keeping keys reading.preparation", "sqlalchemy", NO_IO),
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
        "autocommit keys listeners reading.plans reading.assembly reading.preparation reading.latency "
        "reading.shapes "
        "reading.unreadable violations.evidence",
        "sqlalchemy sqlmodel",
        NO_COMMIT,
    ),
    Row(
        "reading.rendering",
        "cache reading.anatomy reading.exactness reading.forms reading.plans reading.assembly reading.shapes "
        "reading.gathering reading.unreadable",
        "pydantic_core orjson",
        NO_IO,
    ),
    Row(
        "reading.composed",
        "autocommit cache database.settings reading.plans reading.exactness reading.expressions "
        "reading.assembly reading.preparation reading.composition reading.latency reading.gathering",
        MODELS,
        NO_COMMIT,
    ),
    Row(
        "reading.keyed",
        "autocommit errors keeping keys reading.assembly reading.composed reading.gathering reading.plans "
        "reading.preparation",
        MODELS,
        NO_COMMIT,
    ),
    Row(
        "reading.ways",
        "autocommit keys reading.composed reading.plans reading.objects "
        "reading.assembly "
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
        "reading.asking",
        "autocommit keys reading.gathering reading.preparation reading.ways visibility",
        MODELS,
        NO_COMMIT,
    ),
    Row(
        "reading.fetching",
        "errors autocommit verbs keys reading.plans reading.assembly reading.selecting reading.ways "
        "reading.asking paging.cursors paging.keyset paging.pages",
        MODELS,
        NO_COMMIT,
    ),
    Row(
        "reading.answers",
        "errors autocommit cache keys verbs reading.gathering reading.keyed "
        "reading.rendering reading.ways reading.asking reading.fetching paging.cursors paging.pages",
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
        "errors autocommit verbs keys writing.cycles reading.fetching writing.conflicts writing.returned "
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
    Row("writing.commands", "keeping keys", MODELS, NO_IO),
    Row(
        "writing.straight",
        "cache keys listeners models models.batches models.columns scopes writing.rows",
        MODELS,
        NO_IO,
    ),
    Row(
        "writing.storing",
        "errors cache keys schemas.values reading.assembly reading.gathering "
        "reading.plans reading.rendering reading.unreadable reading.ways violations violations.evidence "
        "writing.commands writing.cycles writing.straight writing.versions",
        MODELS,
        NO_COMMIT,
    ),
    Row(
        "writing.merging",
        "autocommit verbs writing.commands writing.conflicts writing.cycles writing.rows writing.storing "
        "writing.straight writing.uniques writing.upserting",
        MODELS,
        NO_COMMIT,
    ),
    Row(
        "writing.removing",
        "autocommit cache keys listeners visibility writing.commands writing.single writing.storing "
        "writing.versions",
        MODELS,
        NO_COMMIT,
    ),
    Row(
        "writing.answers",
        "autocommit verbs keys listeners reading.fetching reading.plans reading.ways writing.single "
        "writing.storing writing.straight writing.versions",
        MODELS,
        NO_COMMIT,
    ),
    Row(
        "writing.blocks",
        "errors cache keys listeners copying models.batches models.validation schemas.values "
        "violations.evidence writing.commands writing.cycles writing.rows writing.straight",
        MODELS,
        NO_COMMIT,
    ),
    Row(
        "writing.inserting",
        "autocommit verbs keys scopes violations writing.blocks writing.cycles writing.returned writing.rows",
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
    Row(
        "writing",
        "writing.answers writing.bulk writing.claiming writing.inserting writing.linking writing.merging "
        "writing.removing writing.single writing.upserting",
    ),
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
        "aftercommit autocommit database errors filters guard history models paging.cursors "
        "paging.navigation paging.pages reading reading.aggregates reading.answers reading.exports "
        "reading.plans reading.streaming reading.trees resource scopes verbs visibility writing writing.bulk "
        "writing.claiming writing.inserting writing.linking writing.upserting",
    ),
    # The edges, each with its own framework.
    Row(
        "fastapi",
        "errors autocommit cache verbs violations database keys paging.cursors paging.pages "
        "paging.navigation filters reading reading.exports writing resource scopes",
        f"{MODELS} fastapi starlette anyio",
    ),
    Row("check", "errors", "typer rich watchfiles lsprotocol pygls"),
    *MIGRATIONS,
    Row(
        "testing",
        "errors autocommit cache verbs database guard fastapi migrations migrations.project",
        f"{MODELS} fastapi starlette httpx2 polyfactory pytest pytest_asyncio",
    ),
    Row("cli", "errors", "typer"),
    Row(
        "template",
        "fieldstone fastapi guard migrations migrations.steps",
        f"{MODELS} alembic fastapi fastapi_offline starlette jinja2 python_multipart rich uvicorn",
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


def test_the_page_about_the_architecture_names_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.split("| room |")[1].split("\n\n")[0]
    first_column = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
    assert {name for cell in first_column for name in re.findall(r"`([\w.]+)`", cell)} == ROOM_NAMES
