"""The app against its own description: requests that Schemathesis makes from it, good ones and bad ones.

Every answer must be one that the description has: no error of the server, a documented status, a
documented media type, headers and a body that conform to their schemas. That what breaks the description is
refused is not held here: Pydantic reads `true` as 1 and "5" as 5, which the description does not say.

Some of the good requests ask for a row that is there, since a made-up key seldom hits one. The requests
are the same in every run. FUZZ_CASES is the number of each kind for each operation; `make fuzz` raises it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from fieldstone import Database
from fieldstone.template.app import create_app
from fieldstone.template.models import Task
from fieldstone.template.seed import seed
from tests.conftest import FreshUrl
from tests.faces import Dialect

# Schemathesis is imported by the tests alone: it takes a second, which all others need not wait.
Requests = st.SearchStrategy[Any]

CASES: dict[Dialect, int] = {"sqlite": 140, "postgresql": 25}
MINIMUM: dict[Dialect, int] = {"sqlite": 5_000, "postgresql": 800}
TAGS = ["board", "projects", "tasks", "workers"]
# Not the same task twice: by the time that somebody is assigned, the first one has been deleted.
KNOWN = {"id": 1, "task_id": 50, "worker_id": "@ben"}
ASSIGNMENT = {"worker_id": "@ben", "role": "reviewer"}
SITE = "http://app.test"


def cases_of(dialect: Dialect) -> int:
    return int(os.environ.get("FUZZ_CASES", CASES[dialect]))


@contextmanager
def served(url: str) -> Iterator[TestClient]:
    """Serve the app over its demo data, in one event loop for all requests."""
    database = Database(url)
    database.create_all(Task.metadata)
    assert seed(database)
    with TestClient(create_app(database), raise_server_exceptions=False, base_url=SITE) as client:
        yield client


def operations(client: TestClient) -> list[Any]:
    import schemathesis
    from schemathesis.core.result import Ok

    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    found = list(schema.get_all_operations())
    assert all(isinstance(one, Ok) for one in found)
    return [one.ok() for one in found if isinstance(one, Ok)]


def requests_for(operation: Any) -> list[Requests]:
    """Give requests that the description allows, and requests that it does not."""
    from schemathesis import GenerationMode

    allowed = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    refused = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    names = [parameter.name for parameter in operation.path_parameters]
    if names:
        known = {name: KNOWN[name] for name in names}
        if operation.tags == ["workers"]:
            known["id"] = "@ben"
        # No made-up worker exists, so one that does is assigned to the task that does.
        body = {"body": ASSIGNMENT, "media_type": "application/json"} if operation.method == "post" else {}
        allowed = allowed | operation.as_strategy(
            generation_mode=GenerationMode.POSITIVE, path_parameters=known, **body
        )
    return [allowed, refused]


def attack(client: TestClient, requests: Requests, most: int) -> Counter[int]:
    """Send requests, hold every answer to the description, and count the answers by status."""
    import requests as wire
    from schemathesis.specs.openapi import checks

    held_to = [
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
    ]
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=most,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=requests)
    def send(case: Any) -> None:
        sent: Any = wire.Request(**case.as_transport_kwargs(base_url=SITE)).prepare()
        answer = client.request(sent.method, sent.url, content=sent.body, headers=dict(sent.headers))
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, case.as_curl_command()
        case.validate_response(answer, checks=held_to)

    send()
    return statuses


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_every_answer_is_one_that_the_description_has(
    fresh_url: FreshUrl, dialect: Dialect, tag: str
) -> None:
    with served(fresh_url(dialect)) as client:
        chosen = [operation for operation in operations(client) if operation.tags == [tag]]
        assert chosen
        for operation in chosen:
            allowed, refused = requests_for(operation)
            good = attack(client, allowed, cases_of(dialect))
            bad = attack(client, refused, cases_of(dialect))
            assert good.total() >= cases_of(dialect) <= bad.total(), (operation.label, good, bad)
            assert any(status < 300 for status in good), (operation.label, good)
            assert any(status >= 400 for status in bad), (operation.label, bad)


def test_every_operation_has_a_tag_that_is_tested_with_enough_requests() -> None:
    app = create_app(Database("sqlite://"))
    described = [operation["tags"] for path in app.openapi()["paths"].values() for operation in path.values()]
    assert {tag for tags in described for tag in tags} == set(TAGS)
    assert all(len(tags) == 1 for tags in described)
    for dialect, minimum in MINIMUM.items():
        assert 2 * CASES[dialect] * len(described) >= minimum
