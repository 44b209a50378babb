"""What holds for every page, and the pages of projects and workers."""

from __future__ import annotations

import pytest

from fieldstone import Database
from fieldstone.testing import count_statements
from tests.template.markup import Element
from tests.template.visitor import Visitor

PAGES = [
    "/",
    "/?status=pending",
    "/?q=phone&project.slug__in=shop&project.slug__in=app&sort=-due_date&updated_at__ge=2026-01-01T00:00:00Z",
    "/me?back=/projects",
    "/tasks/1",
    "/new/task",
    "/tasks/1/edit",
    "/tasks/1/delete",
    "/projects",
    "/projects/shop",
    "/new/project",
    "/workers",
    "/nothing",
]


async def test_every_control_has_a_name_and_every_id_is_unique(visitor: Visitor, planted: Database) -> None:
    for address in PAGES:
        page = (await visitor.open(address)).page
        ids = [one.attributes["id"] for one in page.all() if "id" in one.attributes]
        assert len(ids) == len(set(ids)), address
        assert unlabelled(page) == [], address
        assert all(button.text for button in page.all("button")), address
        assert len(page.all("h1")) == 1, address
        assert page.one("html").attributes["lang"] == "en"


def unlabelled(page: Element) -> list[Element]:
    labels = page.all("label")
    named = {label.attributes.get("for") for label in labels}
    wrapped = [id(control) for label in labels for control in label.all()]
    controls = [*page.all("input"), *page.all("select"), *page.all("textarea")]
    shown = [control for control in controls if control.attributes.get("type") != "hidden"]
    return [one for one in shown if one.attributes.get("id") not in named and id(one) not in wrapped]


async def test_no_page_loads_anything_from_elsewhere(visitor: Visitor, planted: Database) -> None:
    for address in PAGES:
        view = await visitor.open(address)
        loaded = [one.attributes["src"] for one in view.page.all() if "src" in one.attributes]
        loaded += [one.attributes["href"] for one in view.page.all("link")]
        assert set(loaded) == {"/static/mark.svg", "/static/style.css"}, address
        assert "default-src 'none'" in view.headers["content-security-policy"]
        assert not any(name.startswith("on") for one in view.page.all() for name in one.attributes)


async def test_what_pages_load_is_there(visitor: Visitor) -> None:
    for address in ("/static/mark.svg", "/static/style.css"):
        assert (await visitor.client.get(address)).status_code == 200


async def test_every_link_leads_somewhere(visitor: Visitor, planted: Database) -> None:
    links = set()
    for address in PAGES:
        page = (await visitor.open(address)).page
        links |= {link.attributes["href"] for link in page.all("a")}
        ids = {one.attributes.get("id") for one in page.all()}
        assert {link for link in links if link.startswith("#") and link[1:] not in ids} == set(), address
        links = {link for link in links if not link.startswith("#")}
    assert len(links) > 70
    for link in sorted(links):
        assert (await visitor.client.get(link)).status_code == 200, link


async def test_a_projects_page_lists_its_tasks(visitor: Visitor, planted: Database) -> None:
    with count_statements(planted) as statements:
        view = await visitor.open("/projects/shop")
    assert len(view.page.one("ul", class_="tasks").all("li")) == 9
    assert view.page.one("p", class_="tally").text == "3 of 9 completed 2 in progress"
    # The project; its tallies; its tasks with their subtasks and assignments.
    assert len(statements) == 5, statements


async def test_the_list_of_projects_takes_two_statements(visitor: Visitor, planted: Database) -> None:
    with count_statements(planted) as statements:
        view = await visitor.open("/projects")
    assert len(view.page.all("li", class_="tile")) == 6
    assert len(statements) == 2, statements


async def test_a_new_project_is_stored_and_shown_without_tasks(visitor: Visitor, planted: Database) -> None:
    made = await visitor.send(await visitor.open("/new/project"), name="Bees", slug="bees", color="amber")
    assert made.address == "/projects/bees"
    assert made.page.one("li", class_="empty").text == "No tasks yet."
    assert (await visitor.open("/projects")).page.all("li", class_="tone-amber")[0].one("h2").text == "Bees"


@pytest.mark.parametrize(
    ("slug", "problem"),
    [
        ("shop", "Another one already has this. Please choose another."),
        ("Not a slug", "Please use small letters, digits and hyphens."),
        ("", "Please use small letters, digits and hyphens."),
    ],
)
async def test_a_refused_project_says_so_at_its_field(
    visitor: Visitor, planted: Database, slug: str, problem: str
) -> None:
    again = await visitor.send(await visitor.open("/new/project"), name="Second", slug=slug)
    assert again.status == 422
    assert again.problem("slug") == problem
    assert again.form("").fields()["name"] == "Second"


async def test_workers_stand_with_their_kind_and_what_they_do(visitor: Visitor, planted: Database) -> None:
    with count_statements(planted) as statements:
        view = await visitor.open("/workers")
    people, agents = view.page.all("section")
    assert (len(people.all("li", class_="tile")), len(agents.all("li", class_="tile"))) == (7, 5)
    assert "Bring the checkout down to one page" in people.text
    # The workers; their assignments with the tasks.
    assert len(statements) == 2, statements


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.test"}, {"Origin": "null"}]
)
@pytest.mark.parametrize("address", ["/tasks/1/delete", "/api/tasks"])
async def test_a_form_on_another_site_is_refused(
    visitor: Visitor, planted: Database, headers: dict[str, str], address: str
) -> None:
    response = await visitor.client.post(address, data={}, headers=headers)
    assert response.status_code == 403
    assert (await visitor.open("/tasks/1")).status == 200


async def test_a_failure_looks_like_the_app_and_tells_nothing(visitor: Visitor, planted: Database) -> None:
    with planted.transaction() as session:
        session.connection().exec_driver_sql("ALTER TABLE assignment RENAME TO hidden")
    view = await visitor.open("/")
    assert view.status == 500
    assert view.page.one("a", class_="brand").text == "Fieldstone"
    assert "hidden" not in view.page.text
    assert "assignment" not in view.page.text


async def test_errors_of_the_api_stay_problems_for_programs(visitor: Visitor, planted: Database) -> None:
    response = await visitor.client.get("/api/tasks/4711")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
