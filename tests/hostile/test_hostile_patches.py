"""Partial updates with any JSON at all: stored as they were sent, or refused and nothing changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from fieldstone.template.schemas import ProjectUpdate, TaskUpdate, WorkerUpdate
from tests.hostile.attack import JSON, LONGEST_ANSWER, Attacked

UPDATES: list[tuple[type[BaseModel], str]] = [
    (ProjectUpdate, "/api/projects/1"),
    (TaskUpdate, "/api/tasks/1"),
    (WorkerUpdate, "/api/workers/@busy"),
    (TaskUpdate, "/api/tasks/4711"),
]
TEXTS = st.one_of(st.text(), st.text(st.characters(categories=["Cs", "Cc", "Lu"])), st.dates().map(str))
NUMBERS = st.one_of(
    st.integers(),
    st.integers(-3, 103),
    st.integers(-(2**80), 2**80),
    st.floats(),
    st.sampled_from([2**31, 2**63]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(TEXTS, inside, max_size=4),
    max_leaves=8,
)
# So that some updates are accepted, which is what shows that refusing is not all that happens.
GOOD_VALUES = st.sampled_from(
    ["pending", "completed", "high", "moss", "agent", "other", "@idle", 1, 50, "2026-05-31"]
)


def updates(schema: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Give any JSON, more often objects, and most often objects whose names the schema knows."""
    names = st.sampled_from(sorted(schema.model_fields))
    known = st.dictionaries(names, GOOD_VALUES | SCALARS | ANY_JSON, min_size=1, max_size=3)
    return st.one_of(known, known, known, st.dictionaries(names | TEXTS, ANY_JSON, max_size=4), ANY_JSON)


ANY_UPDATE = st.sampled_from(UPDATES).flatmap(lambda one: st.tuples(st.just(one[1]), updates(one[0])))


@settings(
    max_examples=400,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(sent=ANY_UPDATE)
async def test_an_update_with_any_json_is_stored_or_refused_without_a_trace(
    attacked: Attacked, sent: tuple[str, Any]
) -> None:
    path, update = sent
    before = attacked.stored()
    response = await attacked.client.patch(path, content=json.dumps(update).encode(), headers=JSON)
    if response.status_code == 200:
        assert (await attacked.client.get(path)).json() == response.json()
        stored = response.json()
        assert stored.keys() >= update.keys()
        said = {name: value for name, value in update.items() if isinstance(value, str)}
        assert {name: stored[name] for name in said} == {name: as_read(name, said[name]) for name in said}
        return
    assert response.status_code in (404, 409, 422), response.text
    assert response.status_code != 404 or path.endswith("4711")
    assert response.headers["content-type"] == "application/problem+json"
    assert len(response.content) < LONGEST_ANSWER
    assert attacked.stored() == before


def as_read(name: str, value: str) -> Any:
    """Read a number that was sent as text as Pydantic does."""
    return int(value) if name in ("progress_percent", "project_id") else value


@pytest.mark.parametrize(("schema", "path"), UPDATES[:3])
async def test_updates_are_not_all_refused(attacked: Attacked, schema: type[BaseModel], path: str) -> None:
    for name, value in (("name", "New"), ("title", "New"), ("description", None), ("due_date", "2026-05-31")):
        if name in schema.model_fields:
            changed = await attacked.client.patch(path, json={name: value})
            assert (changed.status_code, changed.json()[name]) == (200, value)
