"""What is downloaded: as many tasks as are asked for, a batch at a time, in bounded memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from fieldstone import stream, to_csv
from fieldstone.fastapi import CurrentDatabase
from fieldstone.template.resources import tasks
from fieldstone.template.schemas import TaskRow

exports = APIRouter(prefix="/export")


async def _session(database: CurrentDatabase) -> AsyncIterator[AsyncSession]:
    """Live as long as the download, which the sessions of an endpoint do not."""
    async with database.async_transaction(read_only=True) as session:
        yield session
        await session.rollback()


@exports.get("/tasks.csv")
async def export_tasks(
    request: Request, session: Annotated[AsyncSession, Depends(_session)]
) -> StreamingResponse:
    """Give the tasks that the query asks for, as a spreadsheet opens them."""
    wanted = tasks.selection(request.query_params.multi_items())
    rows = stream(session, tasks.select(wanted), TaskRow)
    headers = {"Content-Disposition": 'attachment; filename="tasks.csv"'}
    return StreamingResponse(to_csv(rows, TaskRow), media_type="text/csv", headers=headers)
