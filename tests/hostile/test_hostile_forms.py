"""The form routes: whatever is sent to them, the answer is a page that says what is wrong, and where.

What a person could have typed comes back in its form, with the sentence at its field. What no form
of the app sends gets a page of its own that names the field, if it is about one.
"""

from __future__ import annotations

import pytest

from tests.hostile.attack import MEGABYTES_10, Attacked
from tests.template.markup import parse
from tests.template.visitor import BROWSER

FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=x"
FORMS = ["/new/task", "/new/project", "/tasks/1/edit", "/tasks/1/subtasks", "/tasks/1/assign"]
BUTTONS = ["/tasks/1/move", "/tasks/1/unassign", "/me"]


def part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n--x--\r\n"


async def page_of(
    attacked: Attacked, path: str, media_type: str, content: bytes, *, status: int, field: str | None
) -> None:
    """Send a form and check that a page refuses it with this status, naming this field."""
    headers = {**BROWSER, "content-type": media_type}
    response = await attacked.client.post(path, content=content, headers=headers)
    sent = f"{path} {media_type} {content[:100]!r}: {response.text[:300]}"
    assert response.status_code == status, sent
    assert response.headers["content-type"] == "text/html; charset=utf-8", sent
    page = parse(response.text)
    if field is not None:
        at_its_field = any(one.attributes.get("id") == f"{field}-problem" for one in page.all("p"))
        assert at_its_field or f"{field}:" in page.one("p", class_="lead").text, sent


# Route, form, and the field that it is refused for with 422.
REFUSED: list[tuple[str, str, str]] = [
    ("/new/task", "", "title"),
    ("/new/task", "title=", "title"),
    ("/new/task", "title=%00", "title"),
    ("/new/task", "title=+++", "title"),
    ("/new/task", "title=" + "x" * 201, "title"),
    ("/new/task", "title=" + "%F0%9F%8C%BF" * 201, "title"),
    ("/new/task", "title=t&description=%00", "description"),
    ("/new/task", "title=t&description=" + "x" * 20_001, "description"),
    ("/new/task", "title=t&status=x", "status"),
    ("/new/task", "title=t&status=%ff", "status"),
    ("/new/task", "title=t&priority=", "priority"),
    ("/new/task", "title=t&progress_percent=", "progress_percent"),
    ("/new/task", "title=t&progress_percent=NaN", "progress_percent"),
    ("/new/task", "title=t&progress_percent=1e999", "progress_percent"),
    ("/new/task", "title=t&progress_percent=101", "progress_percent"),
    ("/new/task", "title=t&progress_percent=" + "9" * 5_000, "progress_percent"),
    ("/new/task", "title=t&due_date=2026-02-30", "due_date"),
    ("/new/task", "title=t&due_date=99999999999999999999", "due_date"),
    ("/new/task", "title=t&due_date=%00", "due_date"),
    ("/new/task", "title=t&project_id=x", "project_id"),
    ("/new/task", "title=t&project_id=4711", "project_id"),
    ("/new/task", "title=t&project_id=2147483648", "project_id"),
    ("/new/task", "title=t&project_id=-9223372036854775809", "project_id"),
    ("/tasks/1/edit", "title=", "title"),
    ("/tasks/1/edit", "title=%00", "title"),
    ("/tasks/1/edit", "status=", "status"),
    ("/tasks/1/edit", "project_id=4711", "project_id"),
    ("/tasks/1/edit", "progress_percent=-1", "progress_percent"),
    ("/tasks/1/subtasks", "", "title"),
    ("/tasks/1/subtasks", "title=%00", "title"),
    ("/tasks/1/assign", "", "worker_id"),
    ("/tasks/1/assign", "worker_id=@nobody", "worker_id"),
    ("/tasks/1/assign", "worker_id=%00", "worker_id"),
    ("/tasks/1/assign", "worker_id=@idle&role=x", "role"),
    ("/tasks/1/assign", "worker_id=@busy", "worker_id"),
    ("/tasks/1/edit", "title=x&version=x", "version"),
    ("/tasks/1/edit", "title=x&version=%00", "version"),
    ("/me", "", "back"),
    ("/me", "back=/&worker_id=%00", "worker_id"),
    ("/me", "back=/&worker_id=nobody", "worker_id"),
    ("/claim", "project=%00", "project"),
    ("/claim", "project=" + "x" * 41, "project"),
    ("/tasks/1/unassign", "", "worker_id"),
    ("/tasks/1/unassign", "worker_id=%00", "worker_id"),
    ("/tasks/1/unassign", "worker_id=%ff", "worker_id"),
    ("/tasks/1/move", "", "status"),
    ("/tasks/1/move", "status=x&back=/", "status"),
    ("/tasks/1/move", "status=%00&back=%00", "status"),
    ("/tasks/1/move", "status=completed", "back"),
    ("/new/project", "name=x&slug=shop", "slug"),
    ("/new/project", "name=x&slug=%00", "slug"),
    ("/new/project", "name=x&slug=" + "x" * 41, "slug"),
    ("/new/project", "name=%00&slug=x", "name"),
    ("/new/project", "name=x&slug=x&description=" + "x" * 2_001, "description"),
    ("/new/project", "name=x&slug=x&color=%00", "color"),
]


@pytest.mark.parametrize(("path", "content", "field"), REFUSED, ids=lambda one: one[:40])
async def test_a_form_with_a_value_that_a_field_does_not_take_comes_back_marked(
    attacked: Attacked, path: str, content: str, field: str
) -> None:
    async with attacked.unharmed():
        await page_of(attacked, path, FORM, content.encode(), status=422, field=field)


@pytest.mark.parametrize("path", [*FORMS, *BUTTONS])
@pytest.mark.parametrize(
    ("media_type", "content", "status"),
    [
        ("multipart/form-data", b"x", 400),
        (PARTS, b"garbage", 400),
        (PARTS, part("title", b"x" * 2_000_000), 400),
        (PARTS, b"--x\r\nContent-Disposition: nothing\r\n\r\nx\r\n--x--\r\n", 400),
        (FORM, b"&".join(b"a%d=1" % number for number in range(2_000)), 400),
        (FORM, b"title=" + b"x" * MEGABYTES_10, 400),
        (FORM, b"x" * MEGABYTES_10, 400),
    ],
    ids=["no boundary", "garbage", "2 MB field", "no name", "2,000 fields", "10 MB field", "10 MB name"],
)
async def test_a_form_that_cannot_be_read_gets_a_page(
    attacked: Attacked, path: str, media_type: str, content: bytes, status: int
) -> None:
    async with attacked.unharmed():
        await page_of(attacked, path, media_type, content, status=status, field=None)


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("media_type", ["", "application/json", "text/plain", "application/xml; charset=x"])
async def test_what_is_no_form_is_not_taken_for_an_empty_one(
    attacked: Attacked, path: str, media_type: str
) -> None:
    async with attacked.unharmed():
        await page_of(attacked, path, media_type, b'{"title": "x"}', status=415, field=None)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/new/task", "title"),
        ("/new/project", "name"),
        ("/tasks/1/edit", "description"),
        ("/tasks/1/subtasks", "title"),
        ("/tasks/1/assign", "worker_id"),
        ("/tasks/1/unassign", "worker_id"),
        ("/tasks/1/move", "status"),
    ],
)
async def test_a_file_in_place_of_text_is_refused_by_name(attacked: Attacked, path: str, name: str) -> None:
    async with attacked.unharmed():
        content = part(name, b"hello", '; filename="a.txt"')
        await page_of(attacked, path, PARTS, content, status=422, field=name)


@pytest.mark.parametrize(
    "content", [b"\xff\x00&=&=&&;", b"%ff=%00&%00=%ff", b"nope=1&title", b"=title", b"title[]=x"]
)
async def test_fields_that_no_form_has_are_not_taken_for_others(attacked: Attacked, content: bytes) -> None:
    async with attacked.unharmed():
        await page_of(attacked, "/new/task", FORM, content, status=422, field="title")


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        (FORM, b"title=%ED%A0%80%ff"),
        (FORM, b"title=\xff\xfe"),
        (PARTS, part("title", b"\xff\xfe")),
        ("multipart/form-data; boundary=x; charset=utf-7", part("title", b"\xff+2AA-")),
        ("multipart/form-data; boundary=x; charset=nothing", part("title", b"\xff")),
    ],
)
async def test_bytes_that_are_no_utf_8_are_stored_as_text_that_can_be_shown(
    attacked: Attacked, media_type: str, content: bytes
) -> None:
    headers = {**BROWSER, "content-type": media_type}
    made = await attacked.client.post("/new/task", content=content, headers=headers)
    assert made.status_code == 303
    shown = await attacked.client.get(made.headers["location"])
    assert parse(shown.text).one("h1").text
    assert (await attacked.client.delete(f"/api{made.headers['location']}")).status_code == 204


# Address, what stands in it, status; pages that are read and, where a form is sent there, written.
KEYS = ["x", "%00", "-1", "0", "4711", "2147483647", "9" * 11, "9" * 5_000, "1.5", "%ff", "%EF%BC%91"]
ADDRESSES: list[tuple[str, str, list[str], int]] = [
    ("GET", "/tasks/{}", KEYS, 404),
    ("GET", "/tasks/{}/edit", KEYS, 404),
    ("GET", "/tasks/{}/delete", KEYS, 404),
    ("POST", "/tasks/{}/edit", KEYS, 404),
    ("POST", "/tasks/{}/move", KEYS, 404),
    ("POST", "/tasks/{}/subtasks", KEYS, 404),
    ("POST", "/tasks/{}/unassign", KEYS, 404),
    ("POST", "/tasks/{}/delete", KEYS, 404),
    ("GET", "/tasks/{}", ["2147483648", "9" * 10], 422),
    ("POST", "/tasks/{}/edit", ["2147483648", "9" * 10], 422),
    ("POST", "/tasks/{}/delete", ["2147483648", "9" * 10], 422),
    ("GET", "/projects/{}", ["nothing", "a-1"], 404),
    ("GET", "/projects/{}", ["%00", "%ff", "%ED%A0%80", "Shop", "a%0A", "'", "%25"], 422),
    ("GET", "/projects/shop?offset={}", ["-1", "10000001", "9" * 5_000, "x", "", "NaN", "%00"], 422),
    ("GET", "/new/task?project_id={}", ["x", "", "9" * 5_000, "NaN", "%00", "%ff"], 422),
    ("GET", "/?offset={}", ["-1", "100001", "9" * 5_000, "x", "+", "NaN", "%00"], 422),
    ("GET", "/?status={}", ["x", "+", "%00", "%ff"], 422),
    ("GET", "/?project.slug={}", ["%00", "%ff", "x" * 41, "a b"], 422),
    ("GET", "/?assignments.worker_id={}", ["%00", "%ff", "nobody"], 422),
    ("GET", "/?q={}", ["%00", "x" * 201, "+".join("abcdefghijk")], 422),
    ("GET", "/?sort={}", ["x", "-", ",", "title,title", "contact", "%00"], 422),
    ("GET", "/?{}=1", ["nope", "contact", "status__like", "%00", "%ff", "title", "x" * 5_000], 422),
    ("GET", "/deleted?offset={}", ["-1", "100001", "9" * 5_000, "x", "", "%00"], 422),
    ("POST", "/tasks/{}/restore", KEYS, 404),
    ("GET", "/tasks/1?history={}", ["-1", "100001", "9" * 5_000, "x", "", "NaN", "%00"], 422),
    ("GET", "/{}", ["nothing", "%00", "%ff", "%ED%A0%80", "x" * 10_000, "static/nothing", "static/%00"], 404),
    ("PUT", "/{}", ["", "tasks/1", "new/task", "workers"], 405),
    ("DELETE", "/{}", ["", "tasks/1", "tasks/1/edit", "projects/shop"], 405),
]


@pytest.mark.parametrize(("method", "address", "keys", "status"), ADDRESSES)
async def test_an_address_that_nothing_has_gets_a_page(
    attacked: Attacked, method: str, address: str, keys: list[str], status: int
) -> None:
    form = "title=x&status=completed&back=/&worker_id=@busy"
    async with attacked.unharmed():
        for key in keys:
            response = await attacked.client.request(
                method, address.format(key), content=form, headers={**BROWSER, "content-type": FORM}
            )
            assert response.status_code == status, (key[:80], response.text[:300])
            assert parse(response.text).one("h1").text
            assert bool(response.headers.get("allow")) == (status == 405)
