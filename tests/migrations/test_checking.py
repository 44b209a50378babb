"""A project's tests find a history that does not lead to its models, or not back."""

from __future__ import annotations

from typing import Any

import pytest

from fieldstone import Database, Field, Model
from fieldstone.migrations import (
    HistoryBroken,
    MigrationRefused,
    check_migrations,
    differences,
    downgrade,
    stamp,
    status,
    upgrade,
)
from tests.conftest import FreshUrl
from tests.migrations.workbench import Bench, models


def tasks(**fields: Any) -> Any:
    class Base(Model, registry=models()):
        pass

    namespace: dict[str, Any] = {
        "__module__": __name__,
        "__qualname__": "Task",
        "__annotations__": {"id": int | None},
    }
    namespace["id"] = Field(default=None, primary_key=True)
    for name, kind in fields.items():
        namespace["__annotations__"][name] = kind
        namespace[name] = None
    make: Any = type(Model)
    make("Task", (Base,), namespace, table=True)
    return Base


@pytest.fixture
def grown(bench: Bench) -> Bench:
    """Give a project of two good revisions."""
    bench.start(tasks(title=str | None))
    bench.change(tasks(title=str | None, size=int | None))
    return bench


def fresh(bench: Bench, fresh_url: FreshUrl) -> Database:
    return Database(fresh_url(bench.database.dialect))


def test_a_good_history_passes(grown: Bench, fresh_url: FreshUrl) -> None:
    with fresh(grown, fresh_url) as database:
        check_migrations(database, project=grown.project)


def test_a_database_with_tables_is_not_used(grown: Bench) -> None:
    with pytest.raises(HistoryBroken, match="is not empty, and a history is tried on an empty database"):
        check_migrations(grown.database, project=grown.project)


def test_a_head_that_is_not_the_models_is_found(grown: Bench, fresh_url: FreshUrl) -> None:
    grown.models_are(tasks(title=str | None, size=int | None, done=bool | None))
    with fresh(grown, fresh_url) as database, pytest.raises(HistoryBroken) as broken:
        check_migrations(database, project=grown.project)
    assert str(broken.value) == (
        "The revisions do not lead to the models:\n"
        "  column task.done: is missing in the database\n"
        "Write what is missing with: fieldstone migrate new"
    )


def test_a_downgrade_that_does_not_undo_is_found(grown: Bench, fresh_url: FreshUrl) -> None:
    file = next(grown.project.versions.glob("*_change.py"))
    up, down = file.read_text().split("def downgrade")
    file.write_text(f"{up}def downgrade() -> None:\n    pass\n")
    with fresh(grown, fresh_url) as database, pytest.raises(HistoryBroken) as broken:
        check_migrations(database, project=grown.project)
    assert "(Change) does not undo its upgrade. Expected (-) and found (+):\n  + task: size INTEGER" in str(
        broken.value
    )
    assert down


BRANCHES: dict[str, Any] = {
    "basement": None,  # whose name begins as "base" does
    "left": "basement",
    "right": "basement",
    "merged": ("left", "right"),
    "after": "merged",
}


@pytest.fixture
def branched(bench: Bench) -> Bench:
    """Give a project of two branches, joined, whose models are what they make."""

    class Base(Model, registry=models()):
        pass

    for name in BRANCHES:
        make: Any = type(Model)
        namespace = {
            "__module__": __name__,
            "__qualname__": name,
            "__annotations__": {"id": int | None},
            "id": Field(default=None, primary_key=True),
        }
        if name != "merged":
            make(name, (Base,), namespace, table=True)
    bench.models_are(Base)
    bench.project.location.mkdir()
    for name, below in BRANCHES.items():
        made = f"op.create_table({name!r}, sa.Column('id', sa.Integer, primary_key=True))"
        up, down = ("pass", "pass") if name == "merged" else (made, f"op.drop_table({name!r})")
        (bench.project.location / f"{name}.py").write_text(
            f"import sqlalchemy as sa\nfrom alembic import op\nrevision = {name!r}\n"
            f"down_revision = {below!r}\ndef upgrade():\n    {up}\ndef downgrade():\n    {down}\n"
        )
    return bench


def test_a_history_of_branches_goes_up_down_and_up(branched: Bench) -> None:
    check_migrations(branched.database, project=branched.project)
    here = status(branched.database, project=branched.project)
    assert here.current == ("after",)
    downgrade(branched.database, "merged", project=branched.project)
    with pytest.raises(MigrationRefused, match=r"joins branches.*Name the revision to go down to"):
        downgrade(branched.database, "-1", project=branched.project)
    downgrade(branched.database, "basement", project=branched.project)
    assert [ran.revision for ran in upgrade(branched.database, "left", project=branched.project)] == ["left"]


def test_the_tables_of_one_branch_are_recognised(branched: Bench) -> None:
    upgrade(branched.database, "right", project=branched.project)
    stamp(branched.database, "base", project=branched.project)
    upgrade(branched.database, "left", project=branched.project, adopt=True)
    upgrade(branched.database, project=branched.project)
    assert differences(branched.database, project=branched.project) == []
