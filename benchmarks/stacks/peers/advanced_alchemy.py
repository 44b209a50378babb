"""advanced-alchemy with FastAPI, as its pages "FastAPI Integration", "Services" and "Repositories" write it.

A service for each model, given by a dependency; `commit_mode="autocommit"` and no expiry at commit. Lists are
read by `get_many`, which does not count, since the work does not ask for a total.
"""

from typing import Annotated, Any

from advanced_alchemy.extensions.fastapi import (
    AdvancedAlchemy,
    AsyncSessionConfig,
    EngineConfig,
    SQLAlchemyAsyncConfig,
    filters,
    repository,
    service,
)
from fastapi import APIRouter, Depends, FastAPI
from pydantic import TypeAdapter
from sqlalchemy.orm import joinedload, selectinload

from benchmarks.stacks.peers.tables import (
    MANY,
    ONE,
    Assignment,
    Event,
    EventRead,
    Task,
    TaskCreate,
    TaskFull,
    TaskRead,
    TaskUpdate,
    asynchronous,
)
from benchmarks.stacks.stack import Stack

Pages = service.OffsetPagination
FLAT: TypeAdapter[Any] = TypeAdapter(Pages[TaskRead])
FULL: TypeAdapter[Any] = TypeAdapter(Pages[TaskFull])
WHOLE = [joinedload(Task.project), selectinload(Task.assignments).joinedload(Assignment.worker)]


class TaskService(service.SQLAlchemyAsyncRepositoryService[Task]):
    """Tasks."""

    class Repo(repository.SQLAlchemyAsyncRepository[Task]):
        model_type = Task

    repository_type = Repo


class EventService(service.SQLAlchemyAsyncRepositoryService[Event]):
    """Events."""

    class Repo(repository.SQLAlchemyAsyncRepository[Event]):
        model_type = Event

    repository_type = Repo


def router_of(alchemy: AdvancedAlchemy) -> APIRouter:
    router = APIRouter()
    Tasks = Annotated[TaskService, Depends(alchemy.provide_service(TaskService))]  # noqa: N806  # a type
    Events = Annotated[EventService, Depends(alchemy.provide_service(EventService))]  # noqa: N806  # a type

    @router.get("/tasks", response_model=Pages[TaskRead])
    async def list_tasks(tasks: Tasks, offset: int = 0, limit: int = 100) -> Any:
        results = await tasks.get_many(filters.LimitOffset(limit, offset), order_by=("id", False))
        return tasks.to_schema(results, schema_type=TaskRead)

    @router.get("/tasks/full", response_model=Pages[TaskFull])
    async def list_full(tasks: Tasks, offset: int = 0, limit: int = 100) -> Any:
        results = await tasks.get_many(filters.LimitOffset(limit, offset), order_by=("id", False), load=WHOLE)
        return tasks.to_schema(results, schema_type=TaskFull)

    @router.get("/tasks/{task_id}", response_model=TaskRead)
    async def get_task(tasks: Tasks, task_id: int) -> Any:
        return tasks.to_schema(await tasks.get(task_id), schema_type=TaskRead)

    @router.post("/tasks", response_model=TaskRead, status_code=201)
    async def create_task(tasks: Tasks, data: TaskCreate) -> Any:
        return tasks.to_schema(await tasks.create(data), schema_type=TaskRead)

    @router.post("/tasks/bulk", status_code=201)
    async def create_tasks(tasks: Tasks, data: list[TaskCreate]) -> dict[str, int]:
        return {"created": len(await tasks.create_many(data))}

    @router.patch("/tasks/{task_id}", response_model=TaskRead)
    async def update_task(tasks: Tasks, task_id: int, data: TaskUpdate) -> Any:
        return tasks.to_schema(await tasks.update(data, item_id=task_id), schema_type=TaskRead)

    @router.get("/events", response_model=Pages[EventRead])
    async def list_events(events: Events, offset: int = 0, limit: int = 100) -> Any:
        order = [("at", True), ("id", True)]
        results = await events.get_many(filters.LimitOffset(limit, offset), order_by=order)
        return events.to_schema(results, schema_type=EventRead)

    return router


class AdvancedAlchemyStack(Stack):
    """Its application, and its service without FastAPI."""

    title = "advanced-alchemy, FastAPI"
    envelope = "items"

    async def open(self, url: str) -> None:
        self.config = SQLAlchemyAsyncConfig(
            connection_string=asynchronous(url),
            session_config=AsyncSessionConfig(expire_on_commit=False),
            engine_config=EngineConfig(pool_size=5, max_overflow=10),
            commit_mode="autocommit",
        )
        self.app = FastAPI()
        self.app.include_router(router_of(AdvancedAlchemy(config=self.config, app=self.app)))

    async def close(self) -> None:
        await self.config.get_engine().dispose()

    async def one(self, number: int) -> bytes:
        async with TaskService.new(config=self.config) as tasks:
            return ONE.dump_json(tasks.to_schema(await tasks.get(number), schema_type=TaskRead))

    async def flat(self, offset: int) -> bytes:
        async with TaskService.new(config=self.config) as tasks:
            results = await tasks.get_many(filters.LimitOffset(100, offset), order_by=("id", False))
            return FLAT.dump_json(tasks.to_schema(results, schema_type=TaskRead))

    async def full(self, offset: int) -> bytes:
        async with TaskService.new(config=self.config) as tasks:
            limit = filters.LimitOffset(100, offset)
            results = await tasks.get_many(limit, order_by=("id", False), load=WHOLE)
            return FULL.dump_json(tasks.to_schema(results, schema_type=TaskFull))

    async def create(self, content: bytes) -> bytes:
        async with TaskService.new(config=self.config) as tasks:
            made = await tasks.create(TaskCreate.model_validate_json(content), auto_commit=True)
            return ONE.dump_json(tasks.to_schema(made, schema_type=TaskRead))

    async def change(self, given: tuple[int, bytes]) -> bytes:
        async with TaskService.new(config=self.config) as tasks:
            data = TaskUpdate.model_validate_json(given[1])
            return ONE.dump_json(
                tasks.to_schema(
                    await tasks.update(data, item_id=given[0], auto_commit=True), schema_type=TaskRead
                )
            )

    async def bulk(self, content: bytes) -> bytes:
        async with TaskService.new(config=self.config) as tasks:
            made = await tasks.create_many(MANY.validate_json(content), auto_commit=True)
        return b'{"created":%d}' % len(made)
