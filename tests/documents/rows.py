"""Rows for the tests of this folder."""

from __future__ import annotations

from typing import Any

from tests.faces import Face


async def store(face: Face, *rows: Any) -> None:
    """Store instances in a transaction of their own."""
    async with face.transaction() as session:
        session.add_all(rows)
