r"""Every field of every body of the API against every value that it must not take.

The values are written as JSON, because a client can write what no JSON library of Python would:
NaN, 1e999, half a surrogate pair, a list in a list in a list.
"""

from __future__ import annotations

import json

import pytest

from tests.hostile.attack import GOOD, ROWS, Attacked

DEEP = "[" * 500 + "]" * 500
NOT_TEXT = ["1", "true", "NaN", "1e999", "[]", "{}", '["a"]', DEEP]
UNSTORABLE = [r'"a\u0000b"', r'"\ud800"', r'"\udc00\ud800"']
TEXT = [*NOT_TEXT, *UNSTORABLE]
REQUIRED_TEXT = [*TEXT, "null", '""']
CHOICE = [*TEXT, "null", '""', '"unheard"', '"Pending"']
FRACTIONS = ["NaN", "1e999", "-1e999", "Infinity", "1.5"]
INTEGER = [*FRACTIONS, '"x"', '""', r'"\u0000"', "[]", "{}", "1" * 400, "1e20"]
KEY = [*INTEGER, "2147483648", "-2147483649", "9223372036854775808", '"2147483648"']
DAY = [
    *["NaN", "1e999", "-1e999", "1e20", "true", "[]", "{}", '""', '"x"', r'"\u0000"', r'"\ud800"'],
    *[
        '"2026-02-30"',
        '"0000-01-01"',
        '"10000-01-01"',
        '"-0044-03-15"',
        '"2026-01-01T12:00:00Z"',
        '"infinity"',
    ],
]


def longer_than(length: int) -> list[str]:
    return [json.dumps("x" * (length + 1)), json.dumps("é" * 100_000)]


# Collection, field, and the values that it refuses with 422 and its name.
REFUSED: list[tuple[str, str, list[str]]] = [
    ("/api/projects", "name", [*REQUIRED_TEXT, *longer_than(80)]),
    ("/api/projects", "slug", [*REQUIRED_TEXT, *longer_than(40), '"Not"', '"a b"', '"-a"', r'"a\n"', '"é"']),
    ("/api/projects", "description", [*TEXT, *longer_than(2_000)]),
    ("/api/projects", "color", CHOICE),
    ("/api/tasks", "title", [*REQUIRED_TEXT, *longer_than(200)]),
    ("/api/tasks", "description", [*TEXT, *longer_than(20_000)]),
    ("/api/tasks", "status", CHOICE),
    ("/api/tasks", "priority", CHOICE),
    ("/api/tasks", "progress_percent", [*KEY, "null", "-1", "101"]),
    ("/api/tasks", "due_date", DAY),
    ("/api/tasks", "contact", [*TEXT, *longer_than(200)]),
    ("/api/tasks", "project_id", KEY),
    ("/api/tasks", "parent_id", KEY),
    ("/api/workers", "id", [*REQUIRED_TEXT, *longer_than(40), '"no-at"', '"@"', '"@A"', r'"@a\n"']),
    ("/api/workers", "name", [*REQUIRED_TEXT, *longer_than(80)]),
    ("/api/workers", "type", CHOICE),
    ("/api/tasks/1/assignments", "worker_id", [*REQUIRED_TEXT, *longer_than(40), '"no-at"']),
    ("/api/tasks/1/assignments", "role", CHOICE),
]
ONLY_AT_CREATION = {("/api/tasks", "parent_id"), ("/api/workers", "id")}
CHANGED = [
    (ROWS[path], field, values)
    for path, field, values in REFUSED
    if path in ROWS and (path, field) not in ONLY_AT_CREATION
]


def body(good: dict[str, object], field: str, value: str) -> bytes:
    """Write a JSON object in which this field has this value."""
    members = [f"{json.dumps(name)}: {json.dumps(sent)}" for name, sent in good.items() if name != field]
    return ("{" + ", ".join([*members, f'"{field}": {value}']) + "}").encode()


@pytest.mark.parametrize(("path", "field", "values"), REFUSED, ids=lambda one: one if str(one) == one else "")
async def test_a_value_that_a_field_does_not_take_is_refused_in_a_new_row(
    attacked: Attacked, path: str, field: str, values: list[str]
) -> None:
    async with attacked.unharmed():
        for value in values:
            await attacked.refused("POST", path, body(GOOD[path], field, value), status=422, field=field)


@pytest.mark.parametrize(("path", "field", "values"), CHANGED, ids=lambda one: one if str(one) == one else "")
async def test_a_value_that_a_field_does_not_take_is_refused_in_a_change(
    attacked: Attacked, path: str, field: str, values: list[str]
) -> None:
    async with attacked.unharmed():
        for value in values:
            await attacked.refused("PATCH", path, body({}, field, value), status=422, field=field)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/projects", "name"),
        ("/api/projects", "slug"),
        ("/api/tasks", "title"),
        ("/api/workers", "id"),
        ("/api/workers", "name"),
        ("/api/workers", "type"),
        ("/api/tasks/1/assignments", "worker_id"),
    ],
)
async def test_a_required_field_that_is_missing_is_named(attacked: Attacked, path: str, field: str) -> None:
    rest = {name: value for name, value in GOOD[path].items() if name != field}
    async with attacked.unharmed():
        await attacked.refused("POST", path, json.dumps(rest).encode(), status=422, field=field)


EXTRA = ["nope", "created_at", "updated_at", "__class__", "model_config", "tasks", r"\u0000"]


# Half of a character cannot be repeated in UTF-8, so an answer spells it.
@pytest.mark.parametrize(
    ("name", "field"), [*((name, json.loads(f'"{name}"')) for name in EXTRA), (r"\ud800", r"\ud800")]
)
async def test_a_field_that_nobody_declared_is_named(attacked: Attacked, name: str, field: str) -> None:
    async with attacked.unharmed():
        for path, good in GOOD.items():
            await attacked.refused("POST", path, body(good, name, "1"), status=422, field=field)
        for path in ROWS.values():
            await attacked.refused("PATCH", path, body({}, name, DEEP), status=422, field=field)


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("POST", "/api/projects", "id"),
        ("POST", "/api/tasks", "id"),
        ("PATCH", "/api/projects/1", "id"),
        ("PATCH", "/api/tasks/1", "id"),
        ("PATCH", "/api/tasks/1", "parent_id"),
        ("PATCH", "/api/tasks/1", "version"),
        ("PATCH", "/api/workers/@busy", "id"),
        ("POST", "/api/tasks/1/assignments", "task_id"),
        ("POST", "/api/tasks/1/assignments", "assigned_at"),
    ],
)
async def test_a_field_that_is_not_the_clients_to_say_is_refused(
    attacked: Attacked, method: str, path: str, field: str
) -> None:
    async with attacked.unharmed():
        sent = body(GOOD.get(path, {}), field, "4711")
        await attacked.refused(method, path, sent, status=422, field=field)
