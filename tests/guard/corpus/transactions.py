"""Where a transaction ends, and what is read after it."""
# Options are written as SQLModel's documentation has them, for which it has no types.
# mypy: disable-error-code="arg-type, union-attr"
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload, sessionmaker
from sqlmodel import Session, select

from tests.guard.corpus.cases import fine, trap
from tests.guard.corpus.models import Note, Task, Worker
from tests.guard.corpus.running import Bench


@trap("detached", "Task.project", "joinedload(Task.project)")
def a_relationship_after_the_block(bench: Bench) -> None:
    def find() -> Task:
        with bench.session() as session:  # cause
            return session.exec(select(Task).where(Task.id == 1)).one()

    print(find().project)  # trap


@trap("expired", "Task.title", "expire_on_commit=False")
def a_column_after_commit_and_block(bench: Bench) -> None:
    with bench.session() as session:
        task = Task(title="new")
        session.add(task)
        session.commit()  # cause
    print(task.title)  # trap


@trap("expired", "Task.title", "session.refresh(task)")
def a_column_after_rollback_and_block(bench: Bench) -> None:
    with bench.session(expire_on_commit=False) as session:
        task = session.exec(select(Task).where(Task.id == 1)).one()
        session.rollback()  # cause
    print(task.title)  # trap


@trap("detached", "Task.tags", "selectinload(Task.tags)")
def a_collection_after_expunge(bench: Bench) -> None:
    with bench.session() as session:
        task = session.exec(select(Task).where(Task.id == 1)).one()
        session.expunge(task)  # cause
        print(task.tags)  # trap


@trap("expired", "Task.title", "expire_on_commit=False")
def committed_by_a_begin_block(bench: Bench) -> None:
    with sessionmaker(bench.engine, class_=Session).begin() as session:  # cause
        task = session.exec(select(Task).where(Task.id == 1)).one()
    print(task.title)  # trap


@trap("lost_write", "INSERT", "session.commit()")
def flushed_and_never_committed(bench: Bench) -> None:
    with bench.session() as session:
        session.add(Worker(name="new"))
        session.flush()  # trap


@trap("lost_write", "Worker", "session.commit()")
def added_and_never_written(bench: Bench) -> None:
    with bench.session() as session:  # trap
        session.add(Worker(name="new"))


@trap("autocommit_write", "INSERT", "a transaction")
def written_in_autocommit(bench: Bench) -> None:
    engine = bench.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(insert(Worker).values(name="new"))  # trap


@fine
def loaded_before_the_block_ends(bench: Bench) -> None:
    with bench.session() as session:
        task = session.exec(select(Task).where(Task.id == 1).options(joinedload(Task.project))).one()
    print(task.project, task.title)


@fine
def read_before_the_commit(bench: Bench) -> None:
    with bench.session() as session:
        task = Task(title="new")
        session.add(task)
        session.flush()
        print(task.id, task.title)
        session.commit()


@fine
def read_again_after_the_commit(bench: Bench) -> None:
    with bench.session() as session:
        task = Task(title="new")
        session.add(task)
        session.commit()
        print(task.title)  # one object: one statement, which a sync session may send


@fine
def written_within_a_begin_block(bench: Bench) -> None:
    with bench.session() as session, session.begin():
        session.add(Worker(name="new"))


@fine
def rolled_back_on_purpose(bench: Bench) -> None:
    with bench.session() as session:
        session.add(Worker(name="new"))
        session.flush()
        session.rollback()


@fine
def undone_by_an_error(bench: Bench) -> None:
    try:
        with bench.session() as session:
            session.add(Worker(name="new"))
            session.flush()
            raise KeyError("a reason to undo it")
    except KeyError:
        pass


@fine
def refused_within_a_savepoint(bench: Bench) -> None:
    with bench.session() as session:
        try:
            with session.begin_nested():
                session.add(Task(id=1, title="twice"))
                session.flush()
        except IntegrityError:
            session.add(Task(title="once"))
        session.commit()


@fine
def read_in_autocommit(bench: Bench) -> None:
    engine = bench.engine.execution_options(isolation_level="AUTOCOMMIT")
    with Session(engine) as session:
        session.exec(select(Task)).all()


@fine
def only_read_and_never_committed(bench: Bench) -> None:
    with bench.session() as session:
        session.exec(select(Task)).all()


@fine
def merged_into_another_session(bench: Bench) -> None:
    with bench.session() as session:
        task = session.exec(select(Task).where(Task.id == 1)).one()
    with bench.session() as other:
        merged = other.merge(task)
        print(merged.project)


@fine
def one_note_that_the_server_touches(bench: Bench) -> None:
    with bench.session(expire_on_commit=False) as session:
        note = session.get_one(Note, 1)
        note.text = "changed"
        session.commit()
        print(note.touched_at)
