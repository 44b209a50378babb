"""The description of the API: valid, complete, and fit to be read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from fieldstone import Database
from fieldstone.template.app import create_app

DOCUMENT: dict[str, Any] = json.loads(json.dumps(create_app(Database("sqlite://")).openapi()))
PROBLEM = {"$ref": "#/components/schemas/ProblemDetails"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, found in DOCUMENT["paths"].items():
        for method, operation in found.items():
            yield method.upper(), path, operation


NAMES = [f"{method} {path}" for method, path, _ in operations()]
every = pytest.mark.parametrize(("method", "path", "operation"), list(operations()), ids=NAMES)


def test_the_description_is_valid() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_the_operations_have_names_that_a_person_would_give() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+){1,3}", name)] == []
    assert {"list_tasks", "claim_task", "assign_worker", "tell_task_history"} <= set(names)


@every
def test_an_operation_says_what_it_does(method: str, path: str, operation: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Z][a-z]+( ([a-z]+|CSV|NDJSON)){1,6}", operation["summary"]), operation["summary"]
    assert [tag["name"] for tag in DOCUMENT["tags"] if tag["name"] in operation["tags"]] == operation["tags"]


@every
def test_every_error_has_a_body_that_is_described(method: str, path: str, operation: dict[str, Any]) -> None:
    errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
    assert {"422", "503"} <= errors.keys()
    if "requestBody" in operation:
        assert {"400", "415"} <= errors.keys()
    for status, answer in errors.items():
        assert answer["content"] == {"application/problem+json": {"schema": PROBLEM}}, status
        assert answer["description"].endswith("."), status


@every
def test_every_parameter_is_explained_with_an_example(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    for parameter in operation.get("parameters", []):
        schema = parameter["schema"]
        assert parameter.get("description") or schema.get("description") or parameter["in"] == "path", (
            parameter
        )
        told = {"examples", "enum", "default", "const", "format", "minimum"} & (
            schema.keys() | parameter.keys()
        )
        assert told or "anyOf" in schema or schema.get("type") == "boolean" or parameter["in"] != "query", (
            parameter
        )


def test_the_filters_of_tasks_read_well() -> None:
    parameters = {one["name"]: one for one in DOCUMENT["paths"]["/api/tasks"]["get"]["parameters"]}
    assert parameters["status"]["schema"]["enum"] == ["pending", "in_progress", "completed"]
    assert parameters["assignments.worker_id"]["schema"]["examples"] == ["@claude-code"]
    assert parameters["project.slug"]["description"] == "project.slug is."
    assert parameters["due_date__le"]["schema"]["format"] == "date"
    assert parameters["sort"]["schema"]["pattern"]
    assert not any("contact" in name for name in parameters)


def test_no_private_field_can_be_asked_for() -> None:
    told = [one["name"] for _, _, operation in operations() for one in operation.get("parameters", [])]
    assert [name for name in told if "contact" in name] == []


def test_bodies_have_examples() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for body, field in (
        ("TaskCreate", "title"),
        ("ProjectCreate", "slug"),
        ("WorkerCreate", "id"),
        ("TaskClaim", "worker_id"),
        ("AssignmentCreate", "worker_id"),
    ):
        assert schemas[body]["properties"][field]["examples"], (body, field)
