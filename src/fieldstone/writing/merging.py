"""One row inserted or changed by one statement, without a session: the direct body of `upsert`.

PostgreSQL says in the one statement whether the row is new. SQLite cannot, and its statements cost no round
trip: there an insert that leaves a stored row alone comes first, and then an update by the key, which finds
nothing where somebody has deleted the row meanwhile. A row that has the values already is read. Where none of
them meets a row, the ordinary body says what that means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel
from sqlalchemy import not_, or_, select, update
from sqlmodel import SQLModel

from fieldstone.autocommit import Ask, Direct, GiveWay, Steps
from fieldstone.verbs import Verb
from fieldstone.writing.commands import NEW, Command, kept, new_values
from fieldstone.writing.conflicts import CREATED, Target, target_of
from fieldstone.writing.cycles import moves
from fieldstone.writing.rows import Data, Row, new_row
from fieldstone.writing.storing import NotStraight, Order, Shape, shape_of
from fieldstone.writing.straight import why_not
from fieldstone.writing.uniques import On
from fieldstone.writing.upserting import Upserted, upsert

__all__ = ["upsert"]


@cast(Verb[..., Any], upsert).direct
def _upsert_at_once(
    direct: Direct,
    model: type[SQLModel],
    data: Data,
    *,
    on: On,
    into: type[BaseModel] | None = None,
    update: Sequence[str] | None = None,
) -> Steps[Upserted[Any]]:
    if into is None or why_not(model) is not None:
        raise GiveWay
    target = target_of(model, on, update, direct.dialect.name)
    shape = shape_of(model, into)
    if shape is None or not target.key.fields:
        raise GiveWay
    row = new_row(model, data, {})
    target.refuse_null(row)
    if moves(model, row.values):
        raise GiveWay
    merge = Merge(direct, target, shape, row, target.changed(row))
    for step in merge.steps:
        outcome = yield from merge.take(step)
        if outcome is not None:
            return outcome
    raise GiveWay


@dataclass(frozen=True)
class Merge:
    """One upsert without a session: its statements, made once for each shape of row.

    `names` are the columns that are changed in a stored row.
    """

    direct: Direct
    target: Target
    shape: Shape
    row: Row
    names: tuple[str, ...]

    @property
    def steps(self) -> Sequence[Callable[[Merge], Command]]:
        """Give the statements to try, one after the other, until one meets a row."""
        if self.direct.dialect.name == "postgresql":
            return Merge.inserting_or_changing, Merge.standing
        return (Merge.inserting, *([Merge.changing] if self.names else []), Merge.standing)

    def take(self, step: Callable[[Merge], Command]) -> Steps[Upserted[Any] | None]:
        """Try one statement, and give the row that it met."""
        key = self.target.key
        kind = step, self.direct.dialect, self.shape.plan, key.name, key.fields, self.names, self.row.shape
        command = kept(self.direct.owner, kind, lambda: step(self))
        if command is None:
            raise GiveWay
        order = Order(command, self.values, self.shape)
        try:
            arguments = order.arguments
        except NotStraight:
            raise GiveWay from None
        description, rows = yield Ask(command.sql, arguments, described=command.is_new)
        try:
            written = order.answered(description, rows)
        except NotStraight:
            return None
        told = rows[0][-1] if step is Merge.inserting_or_changing else step is Merge.inserting
        return Upserted(written.object(), bool(told))

    @property
    def values(self) -> dict[str, Any]:
        """Give the values of the parameters of all statements."""
        form, given = self.shape.form, self.row.values
        if form.version is not None:
            given = {**given, form.version: 1}
        new = {name: given[name] for name in {*self.names, *self.target.key.fields}}
        stamped = form.stamped(self.names)
        return {**given, **{f"{name}{NEW}": value for name, value in (*new.items(), *stamped.items())}}

    def inserting_or_changing(self) -> Command:
        statement = self.target.updating(self.names, self._stamps())
        returned = (*self.shape.columns, CREATED)
        return self._inserted(statement, returned)

    def inserting(self) -> Command:
        return self._inserted(self.target.inserting(), self.shape.columns)

    def changing(self) -> Command:
        new = self._parameters()
        statement: Any = update(self.target.model).where(*self._there(), or_(*self._differences()))
        values = {name: new[name] for name in self.names} | self._stamps()
        statement = statement.values({self._column(name): value for name, value in values.items()})
        return self._command(statement.returning(*self.shape.columns), self.shape.columns)

    def standing(self) -> Command:
        same = [not_(one) for one in self._differences()]
        statement: Any = select(*self.shape.columns).where(*self._there(), *same)
        return self._command(statement, self.shape.columns)

    def _inserted(self, statement: Any, returned: Sequence[Any]) -> Command:
        return self._command(statement.returning(*returned), returned, column_keys=list(self.row.shape))

    def _command(self, statement: Any, returned: Sequence[Any], **options: Any) -> Command:
        return Command(statement, self.direct.dialect, returned, **options)

    def _there(self) -> list[Any]:
        """Find the stored row by the key."""
        return [self.target.key.matches(self.target.model, self._parameters()), *self.target.in_sight()]

    def _differences(self) -> list[Any]:
        """Ask of each column that is changed whether it has another value."""
        new = self._parameters()
        return [self.target.differs(self._column(name), new[name]) for name in self.names]

    def _parameters(self) -> dict[str, Any]:
        return new_values(self.target.model, {*self.names, *self.target.key.fields})

    def _stamps(self) -> dict[str, Any]:
        """Give what a change sets besides, as parameters and expressions."""
        form = self.shape.form
        stamped: dict[str, Any] = new_values(self.target.model, form.stamped(self.names))
        if form.version is not None:
            stamped[form.version] = self._column(form.version) + 1
        return stamped

    def _column(self, name: str) -> Any:
        return getattr(self.target.model, name)
