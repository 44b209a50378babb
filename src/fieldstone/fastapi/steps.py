"""What an operation asks of the database, one verb after the other, written once for both faces.

An operation is a generator. Each step that it yields is a function of whatever stands in the session's place;
what the verb gave is sent back. So the same body is walked with a session, whose verbs share a transaction,
or with a database's autocommit, where a single verb is one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

R = TypeVar("R")

Step = Callable[[Any], Any]
Steps = Generator[Step, Any, R]


def walk(steps: Steps[R], session: Any) -> R:
    """Do the steps with a session, or what stands for one."""
    try:
        step = next(steps)
        while True:
            try:
                given = step(session)
            except Exception as error:  # noqa: BLE001 - the operation may know what to make of it
                step = steps.throw(error)
            else:
                step = steps.send(given)
    except StopIteration as end:
        result: R = end.value
        return result


async def walk_async(steps: Steps[R], session: Any) -> R:
    """Do the steps with an AsyncSession, or what stands for one."""
    try:
        step = next(steps)
        while True:
            try:
                given = await step(session)
            except Exception as error:  # noqa: BLE001 - the operation may know what to make of it
                step = steps.throw(error)
            else:
                step = steps.send(given)
    except StopIteration as end:
        result: R = end.value
        return result
