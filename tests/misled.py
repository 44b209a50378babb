"""A stack that answers wrongly on purpose, to see that the benchmark says so."""

from __future__ import annotations

import json

from benchmarks.stacks.documents import Documents


class Misled(Documents):
    """Leave the last row of a list out, and say that a task was changed without doing so."""

    title = "wrong on purpose"

    async def flat(self, offset: int) -> bytes:
        return json.dumps(json.loads(await super().flat(offset))[:-1]).encode()

    async def change(self, given: tuple[int, bytes]) -> bytes:
        return json.dumps(json.loads(await self.one(given[0])) | json.loads(given[1])).encode()
