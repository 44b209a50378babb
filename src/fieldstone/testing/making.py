"""The fixture `make`: rows on the session of the test, committed, so that the application sees them.

A test function gets `Make`, one with `async def` gets `AsyncMake`, on the session that its other fixtures
have. What is made up, and how, stands in factories.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone.testing.factories import ModelT, make, make_many


@dataclass(frozen=True)
class Make:
    """Store rows for a test: `make(Task, project=garden)`."""

    session: Session

    def __call__(self, model: type[ModelT], /, **values: Any) -> ModelT:
        """Store and commit a row of a model, with what it needs; give it with its key."""
        row = make(self.session, model, **values)
        self.session.commit()
        return row

    def many(self, model: type[ModelT], count: int, /, **values: Any) -> list[ModelT]:
        """Store and commit several rows that have the given values in common."""
        rows = make_many(self.session, model, count, **values)
        self.session.commit()
        return rows


@dataclass(frozen=True)
class AsyncMake:
    """Store rows for an asynchronous test: `await make(Task, project=garden)`."""

    session: AsyncSession

    async def __call__(self, model: type[ModelT], /, **values: Any) -> ModelT:
        """Store and commit a row of a model, with what it needs; give it with its key."""
        row = await make(self.session, model, **values)
        await self.session.commit()
        return row

    async def many(self, model: type[ModelT], count: int, /, **values: Any) -> list[ModelT]:
        """Store and commit several rows that have the given values in common."""
        rows = await make_many(self.session, model, count, **values)
        await self.session.commit()
        return rows
