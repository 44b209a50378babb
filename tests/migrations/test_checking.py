"""A project's tests find a history that does not lead to its models, or not back."""

from __future__ import annotations

from typing import Any

import pytest

from fieldstone import Database, Field, Model
from fieldstone.migrations import HistoryBroken, check_migrations
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
