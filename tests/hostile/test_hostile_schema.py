"""The app against its own description: requests that Schemathesis makes from it, good ones and bad ones.

Every answer must be one that the description has: no error of the server, a documented status, a
documented media type, headers and a body that conform to their schemas. That what breaks the description is
refused is not held here: Pydantic reads `true` as 1 and "5" as 5, which the description does not say.

Some of the good requests ask for a row that is there, since a made-up key seldom hits one. To make a
request takes much longer than to answer it, so each is sent to the app on both databases. The requests are
the same in every run. FUZZ_CASES is the number of each kind for each operation; `make fuzz` raises it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from fieldstone import Database
from fieldstone.template.app import create_app
from fieldstone.testing.lending import Lender
from fieldstone.testing.templates import Dialect
from tests.faces import DIALECTS
from tests.template.migrated import demo

# Schemathesis is imported by the tests alone: it takes a second, which all others need not wait.
Requests = st.SearchStrategy[Any]

CASES = int(os.environ.get("FUZZ_CASES", "55"))
MINIMUM = 5_000  # answers
# The operations that one test tries, by their paths; about as many in each.
GROUPS = {
    "board": r"/api/board",
    "projects": r"/api/projects(/\{id\})?",
    "workers": r"/api/workers(/\{id\})?",
    "tasks": r"/api/tasks(/\{id\})?",
    "exports": r"/api/tasks\.(csv|ndjson)",
    "work": r"/api/tasks/(claim|\{task_id\}/.+)",
}
# Not the same task twice: by the time that somebody is assigned, the first one has been deleted.
KNOWN = {"id": 1, "task_id": 50, "worker_id": "@ben"}
# No made-up worker exists, so one that does is named where a body or a header has to name one.
BODIES = {
    "/api/tasks/claim": {"worker_id": "@claude-code"},
    "/api/tasks/{task_id}/assignments": {"worker_id": "@ben", "role": "reviewer"},
}
ACTOR = {"X-Actor": "@mira"}
SITE = "http://app.test"


@contextmanager
def served(lender: Lender, dialect: Dialect) -> Iterator[TestClient]:
    """Serve the app over its demo data, in one event loop for all requests."""
    with lender.templates(dialect).lend(demo()) as url:
        database = Database(url)
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
    given: dict[str, Any] = {}
    if names:
        given["path_parameters"] = {name: KNOWN[name] for name in names}
        if operation.tags == ["workers"]:
            given["path_parameters"]["id"] = "@ben"
    if operation.path in BODIES and operation.method == "post":
        given |= {"body": BODIES[operation.path], "media_type": "application/json"}
    if given:
        if operation.method != "get":
            given["headers"] = ACTOR
        allowed = allowed | operation.as_strategy(generation_mode=GenerationMode.POSITIVE, **given)
    return [allowed, refused]


def attack(clients: list[TestClient], requests: Requests) -> list[Counter[int]]:
    """Send requests, hold every answer to the description, and count each client's answers by status."""
    import requests as wire
    from schemathesis.specs.openapi import checks

    held_to = [
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
    ]
    statuses: list[Counter[int]] = [Counter() for _ in clients]

    @settings(
        max_examples=CASES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=requests)
    def send(case: Any) -> None:
        sent: Any = wire.Request(**case.as_transport_kwargs(base_url=SITE)).prepare()
        for client, counted in zip(clients, statuses, strict=True):
            answer = client.request(sent.method, sent.url, content=sent.body, headers=dict(sent.headers))
            counted[answer.status_code] += 1
            assert answer.status_code < 500, case.as_curl_command()
            case.validate_response(answer, checks=held_to)

    send()
    return statuses


@pytest.mark.parametrize("group", GROUPS)
def test_every_answer_is_one_that_the_description_has(fieldstone_lender: Lender, group: str) -> None:
    with ExitStack() as serving:
        clients = [serving.enter_context(served(fieldstone_lender, dialect)) for dialect in DIALECTS]
        chosen = [one for one in operations(clients[0]) if re.fullmatch(GROUPS[group], one.path)]
        assert chosen
        for operation in chosen:
            allowed, refused = requests_for(operation)
            for good, bad in zip(attack(clients, allowed), attack(clients, refused), strict=True):
                assert good.total() >= CASES <= bad.total(), (operation.label, good, bad)
                assert any(status < 300 for status in good), (operation.label, good)
                assert any(status >= 400 for status in bad), (operation.label, bad)


def test_every_operation_is_tried_and_all_with_enough_requests() -> None:
    described = create_app(Database("sqlite://")).openapi()["paths"]
    for path in described:
        assert [name for name, paths in GROUPS.items() if re.fullmatch(paths, path)] != [], path
    number = sum(len(found) for found in described.values())
    assert 2 * CASES * len(DIALECTS) * number >= MINIMUM
