"""ETag, If-Match and If-None-Match, as a client meets them (RFC 9110, sections 8.8 and 13)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import event, text
from sqlmodel import Session

from fieldstone import create
from fieldstone.testing import count_statements
from tests import edited
from tests.edited import Remark, application
from tests.faces import Face
from tests.serving import client_of

TAG = re.compile(r'"(?P<version>\d+)-[0-9a-f]{24}"')
EVERY = ["/sheets", "/cards", "/scripts"]


@pytest.fixture
async def client(face: Face) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client, to a server where each resource has its row 1."""
    await face.create_all(edited.METADATA)
    async with client_of(application(face.database, sync=not face.is_async)) as client:
        for path in EVERY:
            await client.post(path, json={"title": "First"})
        yield client


async def tag_of(client: httpx.AsyncClient, path: str) -> str:
    tag: str = (await client.get(path)).headers["etag"]
    return tag


def problem(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == answer.status_code
    return answer.status_code, body["type"].removeprefix("urn:problem-type:fieldstone:"), body["detail"]


# ETag and If-None-Match


@pytest.mark.parametrize("path", EVERY)
async def test_whatever_sends_a_row_sends_its_tag(client: httpx.AsyncClient, path: str) -> None:
    created = await client.post(path, json={"title": "Second"})
    read = await client.get(f"{path}/2")
    assert created.headers["etag"] == read.headers["etag"] == await tag_of(client, f"{path}/2")
    changed = await client.patch(f"{path}/2", json={"title": "Third"})
    assert changed.headers["etag"] == await tag_of(client, f"{path}/2") != read.headers["etag"]
    assert "etag" not in (await client.delete(f"{path}/2")).headers


async def test_a_tag_holds_the_version_though_the_schema_does_not(client: httpx.AsyncClient) -> None:
    for version in ("1", "2", "3"):
        found = TAG.fullmatch(await tag_of(client, "/sheets/1"))
        assert found is not None
        assert found["version"] == version
        await client.patch("/sheets/1", json={"title": f"After {version}"})


@pytest.mark.parametrize("path", EVERY)
async def test_a_good_copy_is_answered_304_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    tag = await tag_of(client, f"{path}/1")
    for form in ("{}", "W/{}", '"other", {}', ' , {} ,"a,b" ', 'W/"other",W/{}', "*"):
        answer = await client.get(f"{path}/1", headers={"If-None-Match": form.format(tag)})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert not {"content-type", "content-length"} & answer.headers.keys()


@pytest.mark.parametrize("path", EVERY)
async def test_any_other_copy_is_answered_in_full(client: httpx.AsyncClient, path: str) -> None:
    for sent in ('"other"', '"1-"', '"1"', '""', "other", '"', "", ",", '"a" "b"', '*, "a"', "é"):
        headers: Any = {"If-None-Match": sent.encode("latin-1")}
        answer = await client.get(f"{path}/1", headers=headers)
        assert (answer.status_code, answer.json()["title"]) == (200, "First")


async def test_tags_may_stand_on_several_lines(client: httpx.AsyncClient) -> None:
    tag = await tag_of(client, "/sheets/1")
    lines = [("If-None-Match", '"other"'), ("If-None-Match", tag)]
    assert (await client.get("/sheets/1", headers=lines)).status_code == 304
    lines = [("If-Match", '"other"'), ("If-Match", tag)]
    assert (await client.patch("/sheets/1", json={"count": 1}, headers=lines)).status_code == 200


async def test_a_nested_row_is_part_of_the_copy_but_not_of_the_version(
    face: Face, client: httpx.AsyncClient
) -> None:
    tag = await tag_of(client, "/sheets/1")
    async with face.transaction() as session:
        await face(create, session, Remark, {"text": "Nice", "sheet_id": 1})
    answer = await client.get("/sheets/1", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.json()["remarks"]) == (200, [{"text": "Nice"}])
    assert answer.headers["etag"] != tag
    changed = await client.patch("/sheets/1", json={"count": 1}, headers={"If-Match": tag})
    assert changed.status_code == 200


async def test_a_conditional_read_costs_what_a_read_costs(face: Face, client: httpx.AsyncClient) -> None:
    tag = await tag_of(client, "/sheets/1")
    for headers in ({}, {"If-None-Match": tag}, {"If-None-Match": '"other"'}):
        with count_statements(face.database) as ran:
            await client.get("/sheets/1", headers=headers)
        assert len(ran) == edited.sheets.plan.budget, ran


async def test_a_missing_row_is_missing_under_any_condition(client: httpx.AsyncClient) -> None:
    for headers in ({"If-Match": "*"}, {"If-Match": '"1-a"'}, {"If-None-Match": "*"}):
        for path in ("/sheets/99", "/cards/99"):
            for method, body in (("GET", None), ("PATCH", {"title": "None"}), ("DELETE", None)):
                answer = await client.request(method, path, json=body, headers=headers)
                assert problem(answer)[:2] == (404, "not-found")


# If-Match


@pytest.mark.parametrize("path", EVERY)
async def test_a_change_of_what_was_read_is_made(client: httpx.AsyncClient, path: str) -> None:
    for form in ("{}", '"other", {}', ' ,{} , W/"other"', "*"):
        row = (await client.post(path, json={"title": "Another"})).headers["location"]
        headers = {"If-Match": form.format(await tag_of(client, row))}
        changed = await client.patch(row, json={"title": form}, headers=headers)
        assert (changed.status_code, changed.json()["title"]) == (200, form)
        headers = {"If-Match": form.format(changed.headers["etag"])}
        assert (await client.delete(row, headers=headers)).status_code == 204
        assert (await client.get(row)).status_code == 404


@pytest.mark.parametrize(
    ("path", "subject", "now"),
    [("/sheets", "Sheet", ": its version is 2 now"), ("/cards", "Card", "")],
)
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_change_of_what_was_changed_meanwhile_is_answered_412(
    client: httpx.AsyncClient, path: str, subject: str, now: str, method: str
) -> None:
    headers = {"If-Match": await tag_of(client, f"{path}/1")}
    await client.patch(f"{path}/1", json={"title": "Theirs"})
    body = {"title": "Mine"} if method == "PATCH" else None
    answer = await client.request(method, f"{path}/1", json=body, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:problem-type:fieldstone:stale-version",
        "title": "The change is based on an old version",
        "status": 412,
        "detail": f"{subject} was changed by someone else since it was read{now}. Read it again, then repeat "
        "the change. Send it with the new ETag in If-Match.",
    }
    assert (await client.get(f"{path}/1")).json()["title"] == "Theirs"


@pytest.mark.parametrize("path", EVERY)
async def test_a_tag_that_does_not_match_strongly_is_answered_412(
    client: httpx.AsyncClient, path: str
) -> None:
    tag = await tag_of(client, f"{path}/1")
    for form in ("W/{}", 'W/{}, "other"', '"other"', '"1"', '""', '"-"', '"é-1"'):
        headers: Any = {"If-Match": form.format(tag).encode("latin-1")}
        for method, body in (("PATCH", {"title": "Mine"}), ("DELETE", None)):
            answer = await client.request(method, f"{path}/1", json=body, headers=headers)
            assert problem(answer)[:2] == (412, "stale-version")
            hint = "A weak tag never matches: leave out the W/, which proxies that compress put there."
            assert answer.json()["detail"].endswith(hint) == ("W/" in form)
    assert (await client.get(f"{path}/1")).json()["title"] == "First"


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
async def test_a_malformed_header_is_answered_400(client: httpx.AsyncClient, path: str, name: str) -> None:
    message = "Entity tags stand in double quotes, separated by commas. Send the ETag as it was received"
    malformed = ("1", "a", '"', '"a', "", ",", '"a" "b"', '"a""b"', '*, "a"', "*, *", 'w/"a"', "'a'", '"a b"')
    for sent in malformed:
        for method, body in (("PATCH", {"title": "Mine"}), ("DELETE", None)):
            answer = await client.request(method, f"{path}/1", json=body, headers={name: sent})
            assert answer.status_code == 400
            assert answer.json() == {
                "type": "about:blank",
                "title": "Bad Request",
                "status": 400,
                "detail": f"{name} is malformed. {message}.",
                "errors": [{"in": "header", "field": name, "rule": "entity_tag", "message": message}],
            }
    assert (await client.get(f"{path}/1")).json()["title"] == "First"


HUGE_OR_STRANGE = (
    ('"a", ' * 200_000, 412),
    (", " * 500_000, 400),
    ('"' * 1_000_001, 400),
    ('"' + "a" * 1_000_000, 400),
    ("W/" * 500_000, 400),
    (f'"{"9" * 10_000}-a"', 412),
    ('"%00-a"', 412),
    (f'"{"%ff" * 10_000}-a"', 412),
    (f'"{"-" * 100_000}"', 412),
)


async def test_a_huge_or_strange_header_is_no_crash(client: httpx.AsyncClient) -> None:
    for sent, status in HUGE_OR_STRANGE:
        answer = await client.patch("/sheets/1", json={"title": "Mine"}, headers={"If-Match": sent})
        assert answer.status_code == status
        assert len(answer.content) < 1_000
        assert (await client.get("/sheets/1", headers={"If-None-Match": sent})).status_code == 200


async def test_what_is_wrong_with_the_body_is_told_first(client: httpx.AsyncClient) -> None:
    for path in EVERY:
        answer = await client.patch(f"{path}/1", json={"title": None}, headers={"If-Match": '"other"'})
        assert answer.status_code == 422


@pytest.mark.parametrize(
    ("path", "sent", "statements"),
    [
        ("/sheets", None, 2 + edited.sheets.plan.budget),
        ("/sheets", "the tag", 2 + edited.sheets.plan.budget),
        ("/sheets", '"other"', 1),
        ("/sheets", "*", 2 + edited.sheets.plan.budget),
        ("/cards", None, 1),
        ("/cards", "the tag", 3),  # the lock and the row under it, then the change
        ("/cards", '"other"', 2),
        ("/cards", "*", 1),
    ],
)
async def test_a_condition_costs_no_statement_where_there_is_a_version(
    face: Face, client: httpx.AsyncClient, path: str, sent: str | None, statements: int
) -> None:
    tag = await tag_of(client, f"{path}/1")
    headers = {} if sent is None else {"If-Match": tag if sent == "the tag" else sent}
    with count_statements(face.database) as ran:
        await client.patch(f"{path}/1", json={"title": "Second"}, headers=headers)
    assert len(ran) == statements, ran


@contextmanager
def changed_at_the_last_moment() -> Iterator[None]:
    """Change the version of every sheet once a write has been checked, and before it is sent."""

    def change(session: Session, *_: Any) -> None:
        session.connection().execute(text("UPDATE sheet SET version = version + 5"))

    event.listen(Session, "before_flush", change)
    try:
        yield
    finally:
        event.remove(Session, "before_flush", change)


@pytest.mark.parametrize(("conditional", "status"), [(True, 412), (False, 409)])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_change_between_check_and_write_is_caught_by_the_write(
    client: httpx.AsyncClient, conditional: bool, status: int, method: str
) -> None:
    tag = await tag_of(client, "/sheets/1")
    body = {"title": "Mine"} if method == "PATCH" else None
    headers = {"If-Match": tag} if conditional else {}
    with changed_at_the_last_moment():
        answer = await client.request(method, "/sheets/1", json=body, headers=headers)
    assert problem(answer)[:2] == (status, "stale-version")
    assert await tag_of(client, "/sheets/1") == tag


@pytest.mark.parametrize("path", EVERY)
async def test_if_none_match_holds_for_changes_too(client: httpx.AsyncClient, path: str) -> None:
    tag = await tag_of(client, f"{path}/1")
    for sent in ("*", tag, f"W/{tag}"):
        for method, body in (("PATCH", {"title": "Mine"}), ("DELETE", None)):
            answer = await client.request(method, f"{path}/1", json=body, headers={"If-None-Match": sent})
            told = "If-None-Match names what is stored. To change that, send If-Match instead."
            assert problem(answer) == (412, "about:blank", told)
    changed = await client.patch(f"{path}/1", json={"title": "Mine"}, headers={"If-None-Match": '"other"'})
    assert changed.status_code == 200


# Views


@pytest.mark.parametrize("path", ["/viewed/1", "/viewed_cards/1"])
async def test_each_view_has_its_own_copy_and_any_of_them_tells_what_a_change_is_based_on(
    client: httpx.AsyncClient, path: str
) -> None:
    full, brief = await tag_of(client, path), await tag_of(client, f"{path}?view=brief")
    assert full != brief
    for view, mine, other in (("full", full, brief), ("brief", brief, full)):
        for tag, status in ((mine, 304), (other, 200)):
            answer = await client.get(path, params={"view": view}, headers={"If-None-Match": tag})
            assert answer.status_code == status
    changed = await client.patch(path, json={"count": 1}, headers={"If-Match": brief})
    assert (changed.status_code, changed.headers["etag"]) == (200, await tag_of(client, path))
    assert (await client.patch(path, json={"title": "Mine"}, headers={"If-Match": full})).status_code == 412


# Where If-Match is required


async def test_a_change_that_names_no_version_is_answered_428(client: httpx.AsyncClient) -> None:
    for method, body in (("PATCH", {"title": "Mine"}), ("DELETE", None)):
        answer = await client.request(method, "/strict/1", json=body)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json() == {
            "type": "urn:problem-type:fieldstone:version-required",
            "title": "The change does not say what it is based on",
            "status": 428,
            "detail": "Without If-Match the change may undo what someone else changed meanwhile. Read the "
            "row, and send its ETag in If-Match.",
        }
    read = await client.get("/strict/1")
    assert read.json()["title"] == "First"
    changed = await client.patch(
        "/strict/1", json={"title": "Mine"}, headers={"If-Match": read.headers["etag"]}
    )
    assert (changed.status_code, changed.json()["title"]) == (200, "Mine")
    stale = await client.delete("/strict/1", headers={"If-Match": read.headers["etag"]})
    assert problem(stale)[:2] == (412, "stale-version")
    assert (await client.delete("/strict/1", headers={"If-Match": "*"})).status_code == 204


# Several clients at once

CLIENTS, ROUNDS = 6, 5


async def count_up(client: httpx.AsyncClient, path: str, read: httpx.Response, *, on_condition: bool) -> None:
    """Write back what was read plus one until that succeeds; on condition, read it again before."""
    for _ in range(1_000):
        headers = {"If-Match": read.headers["etag"]} if on_condition else {}
        answer = await client.patch(path, json={"count": read.json()["count"] + 1}, headers=headers)
        if answer.status_code == 200:
            return
        assert problem(answer)[:2] == (412 if on_condition else 409, "stale-version")
        if on_condition:
            read = await client.get(path)
    raise AssertionError("the counter was never free")


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize("on_condition", [True, False])
async def test_clients_lose_no_update_if_they_name_what_they_read_and_only_then(
    client: httpx.AsyncClient, path: str, on_condition: bool
) -> None:
    seen_by_all = await client.get(f"{path}/1")

    async def work() -> None:
        read = seen_by_all
        for _ in range(ROUNDS):
            await count_up(client, f"{path}/1", read, on_condition=on_condition)
            read = await client.get(f"{path}/1")

    await asyncio.gather(*(work() for _ in range(CLIENTS)))
    counted = (await client.get(f"{path}/1")).json()["count"]
    assert counted == CLIENTS * ROUNDS if on_condition else counted <= CLIENTS * ROUNDS - (CLIENTS - 1)
