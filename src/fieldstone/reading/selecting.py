"""What a caller's statement selects: whose rows, and its shape and values.

SQLAlchemy tells a statement's entities slowly, so they are looked at once for all statements of one shape.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select
from sqlalchemy import inspect as sa_inspect
from sqlalchemy.util import LRUCache

from fieldstone.keeping import SHAPES
from fieldstone.keys import selected
from fieldstone.reading.preparation import Given, given


class Selected(NamedTuple):
    """The model or alias whose rows are selected; `given` is None where more than rows is asked for."""

    entity: Any
    given: Given | None

    @property
    def model(self) -> type[Any]:
        """Give the model, whether or not it stands there under an alias."""
        if isinstance(self.entity, type):
            return self.entity
        model: type[Any] = sa_inspect(self.entity).mapper.class_
        return model


def selected_by(statement: Any) -> Selected:
    """Look at a statement. Raises PlanError where it selects anything but whole rows of one model."""
    taken = given(statement) if isinstance(statement, Select) else None
    entity = None if taken is None else _models.get(taken.shape)
    if entity is None:
        entity = selected(statement, "A read", alone=True)
        if taken is not None and isinstance(entity, type):  # each alias is one of its own
            _models[taken.shape] = entity
    return Selected(entity, None if taken is None or statement.get_execution_options() else taken)


_models: LRUCache[Any, type[Any]] = LRUCache(SHAPES)
