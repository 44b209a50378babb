"""What a session within a scope may point to: foreign keys, nested values and links (P29)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import select

from fieldstone import (
    Conflict,
    InvalidValues,
    ModelError,
    NotFound,
    create,
    create_many,
    link,
    patch,
    patch_where,
    replace_links,
    unlink,
    upsert,
    within,
)
from tests.faces import Face
from tests.tenants import METADATA, Area, Job, JobTag, Remark, Tag, stock


@pytest.fixture
async def tenants(face: Face) -> Face:
    await face.create_all(METADATA)
    await stock(face)
    return face


async def test_a_foreign_key_to_a_row_outside_points_nowhere(tenants: Face) -> None:
    async def refused(
        model: Any, fields: tuple[str, ...], verb: Any, *arguments: Any, **options: Any
    ) -> None:
        with pytest.raises(Conflict) as told:
            async with tenants.transaction() as session:
                within(session, Job, {"owner_id": 7})
                within(session, Area, {"owner_id": 7})
                await tenants(verb, session, *arguments, **options)
        assert (told.value.kind, told.value.subject, told.value.fields) == (
            "foreign_key",
            model.__name__,
            fields,
        )

    await refused(Job, ("area_id",), create, Job, {"title": "x", "area_id": 2})
    await refused(Job, ("parent_id",), patch, Job, 2, {"parent_id": 3})
    await refused(Job, ("area_id",), patch_where, select(Job).where(Job.id == 1), {"area_id": 2})
    await refused(
        Job, ("area_id",), create_many, Job, [{"title": "x", "area_id": 1}, {"title": "y", "area_id": 2}]
    )
    await refused(Job, ("area_id",), upsert, Job, {"title": "first", "area_id": 2}, on="title")
    await refused(Remark, ("job_id",), create, Remark, {"text": "x", "job_id": 3})
    await refused(Remark, ("job_id",), create_many, Remark, [{"text": "x", "job_id": 3}])
    with pytest.raises(InvalidValues, match=r"subjobs\.0\.area_id: points to Area that does not exist"):
        async with tenants.transaction() as session:
            within(session, Area, {"owner_id": 7})
            nested = [{"title": "y", "owner_id": 7, "area_id": 2}]
            await tenants(create, session, Job, {"title": "x", "owner_id": 7, "subjobs": nested})
    async with tenants.transaction() as session:
        within(session, Job, {"owner_id": 7})
        await tenants(patch, session, Job, 2, {"points": 5})  # what was there before stays
        rows = [{"id": 21, "title": "up"}, {"id": 22, "title": "down", "parent_id": 21}]
        assert await tenants(create_many, session, Job, rows) == 2


async def test_links_are_made_within(tenants: Face) -> None:
    async with tenants.transaction() as session:
        within(session, Job, {"owner_id": 7})
        within(session, Tag, {"owner_id": 7})
        for verb in (link, unlink, replace_links):
            with pytest.raises(NotFound, match="No Job with key 3"):
                await tenants(verb, session, Job, 3, "tags", [1])
        for verb in (link, replace_links):
            with pytest.raises(Conflict, match="JobTag refuses tag_id: it points to Tag that does not exist"):
                await tenants(verb, session, Job, 2, "tags", [1, 2])
        await tenants(link, session, Job, 2, "tags", [1])
        with pytest.raises(InvalidValues, match=r"tags\.0\.id: points to Tag that does not exist"):
            await tenants(create, session, Job, {"title": "x", "tags": [{"id": 2}]})
        with pytest.raises(
            ModelError, match=r"JobTag cannot be scoped: \w+.\w+ reads its table without the model"
        ):
            within(session, JobTag, JobTag.tag_id == 1)
