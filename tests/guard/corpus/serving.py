"""Applications: what shows only where requests are served."""
# Options are written as SQLModel's documentation has them, for which it has no types.
# mypy: disable-error-code="arg-type, union-attr"
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

import json
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, HTTPException
from sqlalchemy.orm import selectinload
from sqlmodel import Session, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.guard.corpus.cases import fine, trap
from tests.guard.corpus.models import Project, Task, TaskCreate, TaskRead, Worker, WorkerRead
from tests.guard.corpus.running import Web


class ProjectRead(SQLModel):
    name: str
    tasks: list[TaskRead]


@trap("n_plus_one", "Project.tasks", "selectinload(Project.tasks)")
def loaded_while_the_answer_is_written(web: Web) -> None:
    app = FastAPI()

    @app.get("/projects", response_model=list[ProjectRead])  # trap
    def list_projects() -> Any:
        session = web.bench.session()
        found = session.exec(select(Project)).all()  # cause
        sessions.append(session)
        return found

    sessions: list[Session] = []

    def use(app: FastAPI) -> None:
        with web.client(app, ignore=["escaped_session"]) as client:
            client.get("/projects")

    use(app)
    sessions[0].close()


@trap("lazy_load", "Project.tasks", "selectinload(Project.tasks)")
def unawaited_while_the_answer_is_written(web: Web) -> None:
    app = FastAPI()

    async def opened() -> AsyncIterator[AsyncSession]:
        async with web.bench.async_session() as session:
            yield session

    @app.get("/projects/1", response_model=ProjectRead)  # trap
    async def read_project(session: Annotated[AsyncSession, Depends(opened)]) -> Any:
        return (await session.exec(select(Project).where(Project.id == 1))).one()  # cause

    with web.client(app) as client:
        assert client.get("/projects/1").status_code == 500


@trap("detached", "Project.tasks", "selectinload(Project.tasks)")
def detached_while_the_answer_is_written(web: Web) -> None:
    app = FastAPI()

    @app.get("/projects/1", response_model=ProjectRead)  # trap
    def read_project() -> Any:
        with web.bench.session() as session:  # cause
            return session.exec(select(Project).where(Project.id == 1)).one()

    with web.client(app) as client:
        client.get("/projects/1")


@trap("table_as_body", "Task", "TaskCreate")
def a_table_as_the_body(web: Web) -> None:
    app = FastAPI()

    @app.post("/tasks")  # trap
    def create_task(task: Task) -> TaskRead:
        with web.bench.session(expire_on_commit=False) as session:
            session.add(task)
            session.commit()
            return TaskRead.model_validate(task)

    with web.client(app) as client:
        assert client.post("/tasks", json={"id": 900, "title": "new"}).status_code == 200


@trap("table_as_body", "Task", "TaskCreate")
def tables_in_the_body(web: Web) -> None:
    app = FastAPI()

    @app.post("/tasks")  # trap
    def create_tasks(tasks: Annotated[list[Task], Body()]) -> int:
        return len(tasks)

    with web.client(app) as client:
        assert client.post("/tasks", json=[{"title": "new"}]).status_code == 200


@trap("leaked_columns", "Worker.hashed_password", "response_model=WorkerRead")
def a_table_as_the_answer(web: Web) -> None:
    app = FastAPI()

    @app.get("/workers/1")  # trap
    def read_worker() -> Worker:
        with web.bench.session() as session:
            return session.exec(select(Worker).where(Worker.id == 1)).one()

    with web.client(app) as client:
        assert "hashed_password" in client.get("/workers/1").json()


@trap("leaked_columns", "Worker.hashed_password", "response_model=WorkerRead")
def an_answer_past_the_schema(web: Web) -> None:
    from fastapi.responses import JSONResponse

    app = FastAPI()

    @app.get("/workers", response_model=list[WorkerRead])  # trap
    def list_workers() -> Any:
        with web.bench.session() as session:
            return JSONResponse([worker.model_dump() for worker in session.exec(select(Worker))])

    with web.client(app) as client:
        client.get("/workers")


@trap("expired", "Task", "expire_on_commit=False")
def an_expired_table_as_the_answer(web: Web) -> None:
    app = FastAPI()

    @app.post("/tasks")  # trap
    def create_task(body: TaskCreate) -> Task:
        with web.bench.session() as session:
            task = Task(title=body.title)
            session.add(task)
            session.commit()  # cause
            return task

    with web.client(app) as client:
        assert client.post("/tasks", json={"title": "new"}).json() == {}


@trap("escaped_session", "session", "with Session(engine) as session")
def a_session_that_nobody_closes(web: Web) -> None:
    app = FastAPI()
    kept: list[Session] = []

    @app.get("/tasks")
    def list_tasks() -> list[TaskRead]:
        session = web.bench.session()
        kept.append(session)
        return [TaskRead.model_validate(task) for task in session.exec(select(Task))]  # trap

    with web.client(app) as client:
        client.get("/tasks")
    kept[0].close()


@trap("escaped_session", "session", "one session for each request")
def a_session_kept_for_the_next_request(web: Web) -> None:
    app = FastAPI()
    kept: list[Session] = []

    @app.get("/tasks")
    def list_tasks() -> int:
        if not kept:
            kept.append(web.bench.session())
        found = len(kept[0].exec(select(Task)).all())  # trap
        kept[0].rollback()
        return found

    with web.client(app) as client:
        client.get("/tasks")
        client.get("/tasks")


@trap("blocking_call", "Session", "AsyncSession")
def a_sync_session_in_an_async_endpoint(web: Web) -> None:
    app = FastAPI()

    @app.get("/tasks")
    async def list_tasks() -> int:
        with web.bench.session() as session:
            return len(session.exec(select(Task)).all())  # trap

    with web.client(app) as client:
        client.get("/tasks")


@trap("commit_in_helper", "save", "session.flush()")
def a_helper_that_commits(web: Web) -> None:
    app = FastAPI()

    def save(session: Session, task: Task) -> None:
        session.add(task)
        session.commit()  # trap

    @app.post("/tasks")
    def create_task(task: TaskCreate) -> None:
        with web.bench.session() as session:
            save(session, Task(title=task.title))

    with web.client(app, commits_in=["dependencies.py"]) as client:
        client.post("/tasks", json={"title": "new"})


@fine
def schemas_in_and_out(web: Web) -> None:
    app = FastAPI()

    def opened() -> Iterator[Session]:
        with web.bench.session() as session:
            yield session
            session.commit()

    @app.post("/tasks", response_model=TaskRead)
    def create_task(task: TaskCreate, session: Annotated[Session, Depends(opened)]) -> Any:
        stored = Task(title=task.title)
        session.add(stored)
        session.flush()
        return stored

    @app.get("/projects", response_model=list[ProjectRead])
    def list_projects(session: Annotated[Session, Depends(opened)]) -> Any:
        return session.exec(select(Project).options(selectinload(Project.tasks))).all()

    @app.get("/workers", response_model=list[WorkerRead])
    def list_workers(session: Annotated[Session, Depends(opened)]) -> Any:
        return session.exec(select(Worker)).all()

    with web.client(app, commits_in=["corpus/serving.py"]) as client:
        assert client.post("/tasks", json={"title": "new"}).status_code == 200
        assert len(client.get("/projects").json()) == 3
        assert client.get("/workers").json()[0].keys() == {"id", "name"}


@fine
def nothing_as_the_answer(web: Web) -> None:
    app = FastAPI()

    @app.post("/tasks")
    def create_task(body: TaskCreate) -> dict[str, str]:
        with web.bench.session() as session:
            session.add(Task(title=body.title))
            session.commit()
        return {}

    with web.client(app) as client:
        assert client.post("/tasks", json={"title": "new"}).json() == {}


@fine
def an_error_undoes_the_write(web: Web) -> None:
    app = FastAPI()

    @app.post("/tasks")
    def create_task(task: TaskCreate) -> None:
        with web.bench.session() as session:
            session.add(Task(title=task.title))
            session.flush()
            raise HTTPException(409, "not today")

    with web.client(app) as client:
        assert client.post("/tasks", json={"title": "new"}).status_code == 409


@fine
def a_table_from_a_dependency(web: Web) -> None:
    app = FastAPI()

    def found(number: int) -> Task:
        with web.bench.session() as session:
            return session.exec(select(Task).where(Task.id == number)).one()

    @app.get("/tasks/{number}")
    def read_task(task: Annotated[Task, Depends(found)]) -> TaskRead:
        return TaskRead.model_validate(task)

    with web.client(app) as client:
        assert client.get("/tasks/1").json() == {"id": 1, "title": "task 1"}


@fine
def a_secret_that_is_meant(web: Web) -> None:
    class Made(SQLModel):
        hashed_password: str

    app = FastAPI()

    @app.get("/workers/1/export", response_model=Made)
    def export() -> Any:
        with web.bench.session() as session:
            return session.exec(select(Worker).where(Worker.id == 1)).one()

    with web.client(app) as client:
        assert client.get("/workers/1/export").json() == {"hashed_password": "hashed"}


@fine
def a_token_of_its_own(web: Web) -> None:
    app = FastAPI()

    @app.post("/sign-in")
    def sign_in() -> dict[str, str]:
        with web.bench.session() as session:
            session.exec(select(Worker).where(Worker.id == 1)).one()
        return {"access_token": "made for this answer", "token_type": "bearer"}

    with web.client(app) as client:
        assert "access_token" in client.post("/sign-in").json()


@fine
def one_session_of_a_test(web: Web) -> None:
    with web.bench.session() as session:
        app = FastAPI()

        @app.get("/tasks")
        def list_tasks() -> int:
            return len(session.exec(select(Task)).all())

        with web.client(app) as client:
            assert client.get("/tasks").json() == client.get("/tasks").json() == 6


@fine
def a_streamed_answer(web: Web) -> None:
    from fastapi.responses import StreamingResponse

    app = FastAPI()

    @app.get("/tasks")
    def list_tasks() -> StreamingResponse:
        def lines() -> Iterator[str]:
            with web.bench.session() as session:
                for task in session.exec(select(Task)):
                    yield json.dumps({"id": task.id}) + "\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    with web.client(app) as client:
        assert len(client.get("/tasks").text.splitlines()) == 6


@fine
def many_requests_one_query_each(web: Web) -> None:
    app = FastAPI()

    @app.get("/tasks/{number}")
    def read_task(number: int) -> TaskRead:
        with web.bench.session() as session:
            return TaskRead.model_validate(session.get(Task, number))

    with web.client(app) as client:
        assert [client.get(f"/tasks/{n}").json()["id"] for n in (1, 2, 3)] == [1, 2, 3]
