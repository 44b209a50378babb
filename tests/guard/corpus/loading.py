"""Sync code: attributes and queries that send a statement for each row, and those that look so."""
# Options are written as SQLModel's documentation has them, for which it has no types.
# mypy: disable-error-code="arg-type, union-attr"
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

import itertools
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import defer, joinedload, selectinload, subqueryload
from sqlmodel import Session, col, select

from tests.guard.corpus.cases import fine, trap
from tests.guard.corpus.models import Assignment, Project, Tag, Task, Worker
from tests.guard.corpus.running import Bench

# Attributes


@trap("n_plus_one", "Task.project", "joinedload(Task.project)")
def to_one_in_a_loop(bench: Bench) -> None:
    with bench.session() as session:
        tasks = session.exec(select(Task)).all()  # cause
        for task in tasks:
            print(task.project.name)  # trap


@trap("n_plus_one", "Task.assignments", "selectinload(Task.assignments)")
def collection_in_a_comprehension(bench: Bench) -> None:
    with bench.session() as session:
        tasks = session.exec(select(Task).order_by(col(Task.id))).all()  # cause
        counts = [len(task.assignments) for task in tasks]  # trap
        assert counts == [2] * 6


@trap("n_plus_one", "Task.tags", "selectinload(Task.tags)")
def many_to_many_in_a_helper(bench: Bench) -> None:
    def labels(task: Task) -> str:
        return ", ".join(tag.label for tag in task.tags)  # trap

    with bench.session() as session:
        for task in session.exec(select(Task)):  # cause
            print(task.title, labels(task))


@trap("n_plus_one", "Assignment.worker", "selectinload(Task.assignments).joinedload(Assignment.worker)")
def below_an_eager_collection(bench: Bench) -> None:
    with bench.session() as session:
        statement = select(Task).options(selectinload(Task.assignments))
        tasks = session.exec(statement).all()  # cause
        for task in tasks:
            for assignment in task.assignments:
                print(assignment.worker.name)  # trap


@trap("n_plus_one", "Task.children", "selectinload(Task.children, recursion_depth=-1)")
def a_tree_walked_down(bench: Bench) -> None:
    def walk(task: Task) -> int:
        return 1 + sum([walk(child) for child in task.children])  # trap

    with bench.session() as session:
        root = session.exec(select(Task).where(Task.id == 1)).one()  # cause
        assert walk(root) == 5


@trap("n_plus_one", "Project.tasks", "selectinload(Project.tasks)")
def most_collections_are_empty(bench: Bench) -> None:
    with bench.session() as session:
        session.add_all(Project(name=f"empty {n}") for n in range(3))
        session.commit()
        projects = session.exec(select(Project).where(col(Project.name).like("empty%"))).all()  # cause
        assert not any(bool(project.tasks) for project in projects)  # trap


@trap("n_plus_one", "Task.project", "joinedload(Task.project)")
def in_sorted_by_a_key(bench: Bench) -> None:
    with bench.session() as session:
        tasks = session.exec(select(Task)).all()  # cause
        tasks = sorted(tasks, key=lambda task: task.project.name)  # trap
        assert tasks[0].project.name == "project 1"


@trap("n_plus_one", "Task.body", "undefer(Task.body)")
def deferred_column_in_a_loop(bench: Bench) -> None:
    with bench.session() as session:
        for task in session.exec(select(Task).options(defer(Task.body))).all():  # cause
            print(task.body)  # trap


@trap("expired", "Task.title", "expire_on_commit=False")
def expired_in_a_loop(bench: Bench) -> None:
    with bench.session() as session:
        tasks = session.exec(select(Task)).all()
        session.commit()  # cause
        print([task.title for task in tasks])  # trap


@trap("expired", "Task.title", "expire_on_commit=False")
def expired_by_a_rollback(bench: Bench) -> None:
    with bench.session() as session:
        tasks = session.exec(select(Task)).all()
        session.rollback()  # cause
        print([task.title for task in tasks])  # trap


@trap("n_plus_one", "Project.tasks", "passive_deletes=True")
def rows_loaded_only_to_be_deleted(bench: Bench) -> None:
    with bench.session() as session:
        for project in session.exec(select(Project)).all():
            session.delete(project)
        session.commit()  # trap


@fine
def joined_beforehand(bench: Bench) -> None:
    with bench.session() as session:
        for task in session.exec(select(Task).options(joinedload(Task.project))):
            print(task.project.name)


@fine
def collections_beforehand(bench: Bench) -> None:
    with bench.session() as session:
        loading = selectinload(Task.assignments).joinedload(Assignment.worker)
        for task in session.exec(select(Task).options(loading)).all():
            print([assignment.worker.name for assignment in task.assignments])


@fine
def collections_by_subquery(bench: Bench) -> None:
    with bench.session() as session:
        for project in session.exec(select(Project).options(subqueryload(Project.tasks))).all():
            print(len(project.tasks))


@fine
def one_object_reads_all_of_its_own(bench: Bench) -> None:
    with bench.session() as session:
        task = session.exec(select(Task).where(Task.id == 1)).one()
        print(task.project, task.assignments, task.tags, task.children, task.parent)


@fine
def one_project_for_many_tasks(bench: Bench) -> None:
    with bench.session() as session:
        for task in session.exec(select(Task).where(Task.project_id == 1)):
            print(task.project.name)  # the first load is kept by the session


@fine
def the_session_knows_them_already(bench: Bench) -> None:
    with bench.session() as session:
        projects = session.exec(select(Project)).all()
        print(len(projects), [task.project.name for task in session.exec(select(Task))])


@fine
def the_way_up_a_tree(bench: Bench) -> None:
    with bench.session() as session:
        task = session.get_one(Task, 5)
        while task.parent is not None:
            task = task.parent
        assert task.id == 1


@fine
def a_contains_eager_of_its_own(bench: Bench) -> None:
    from sqlalchemy.orm import contains_eager

    with bench.session() as session:
        statement = select(Task).join(Project).options(contains_eager(Task.project))
        print([task.project.name for task in session.exec(statement)])


@fine
def expired_and_read_again_at_once(bench: Bench) -> None:
    with bench.session() as session:
        tasks = session.exec(select(Task)).all()
        session.commit()
        session.exec(select(Task)).all()
        print([task.title for task in tasks])


@fine
def kept_over_the_commit(bench: Bench) -> None:
    with bench.session(expire_on_commit=False) as session:
        tasks = session.exec(select(Task)).all()
        session.commit()
        print([task.title for task in tasks])


@fine
def one_of_many_reads_its_collection(bench: Bench) -> None:
    with bench.session() as session:
        tasks = session.exec(select(Task)).all()
        print(tasks[0].tags, tasks[0].project)


@fine
def a_collection_only_of_the_first(bench: Bench) -> None:
    with bench.session() as session:
        for number, task in enumerate(session.exec(select(Task)).all()):
            if number == 0:
                print(task.tags)


# Queries


@trap("repeated_query", "Project", ".in_(values)")
def a_query_for_each_row(bench: Bench) -> None:
    with bench.session() as session:
        for number in (1, 2):
            print(session.exec(select(Project).where(Project.id == number)).one())  # trap


@trap("repeated_query", "Task", ".in_(values)")
def a_get_for_each_key(bench: Bench) -> None:
    with bench.session() as session:
        print([session.get(Task, number) for number in (1, 2, 3)])  # trap


@trap("repeated_query", "Assignment", ".in_(values)")
def children_by_hand(bench: Bench) -> None:
    def assigned(session: Session, task: Task) -> list[Assignment]:
        found = session.exec(select(Assignment).where(Assignment.task_id == task.id))  # trap
        return list(found)

    with bench.session() as session:
        for task in session.exec(select(Task)).all():
            assigned(session, task)


@trap("repeated_query", "Task", ".in_(values)")
def a_count_for_each_row(bench: Bench) -> None:
    with bench.session() as session:
        for project in session.exec(select(Project)).all():
            counted = select(func.count()).select_from(Task).where(Task.project_id == project.id)
            print(session.exec(counted).one())  # trap


@trap("repeated_query", "Task", ".in_(values)")
def the_newest_three_of_each(bench: Bench) -> None:
    with bench.session() as session:
        for number in (1, 2, 3):
            newest = select(Task).where(Task.project_id == number).order_by(col(Task.id).desc()).limit(3)
            print(session.exec(newest).all())  # trap


@trap("repeated_query", "row", ".in_(values)")
def with_a_connection_alone(bench: Bench) -> None:
    with bench.engine.connect() as connection:
        for number in (1, 2):
            found = select(Task.__table__).where(Task.__table__.c.id == number)  # type: ignore[attr-defined]  # SQLModel does not type it
            connection.execute(found).all()  # trap


@trap("repeated_query", "Worker", "expire_on_commit=False")
def a_refresh_for_each_row(bench: Bench) -> None:
    with bench.session() as session:
        workers = [Worker(name=f"new {n}") for n in range(3)]
        session.add_all(workers)
        session.commit()
        for worker in workers:
            session.refresh(worker)  # trap


@fine
def one_query_for_all(bench: Bench) -> None:
    with bench.session() as session:
        print(session.exec(select(Project).where(col(Project.id).in_([1, 2, 3]))).all())


@fine
def a_list_in_chunks(bench: Bench) -> None:
    numbers = iter(range(1, 7))
    with bench.session() as session:
        while chunk := list(itertools.islice(numbers, 2)):
            session.exec(select(Task).where(col(Task.id).in_(chunk))).all()


@fine
def page_after_page(bench: Bench) -> None:
    with bench.session() as session:
        for offset in range(0, 6, 2):
            session.exec(select(Task).order_by(col(Task.id)).offset(offset).limit(2)).all()


@fine
def page_after_page_by_key(bench: Bench) -> None:
    last: Any = 0
    with bench.session() as session:
        while found := session.exec(
            select(Task).where(col(Task.id) > last).order_by(col(Task.id)).limit(2)
        ).all():
            last = found[-1].id


@fine
def asked_again_and_again(bench: Bench) -> None:
    with bench.session() as session:
        for _ in range(3):
            session.exec(select(Task).where(Task.title == "never")).first()


@fine
def tried_again_after_a_rollback(bench: Bench) -> None:
    def attempt(session: Session, number: int) -> None:
        session.exec(select(Task).where(Task.title == f"task {number}")).first()
        if number < 3:
            raise TimeoutError

    with bench.session() as session:
        for number in (1, 2, 3):
            try:
                attempt(session, number)
                session.commit()
            except TimeoutError:
                session.rollback()


@fine
def two_queries_of_one_shape(bench: Bench) -> None:
    with bench.session() as session:
        first = session.exec(select(Task).where(Task.id == 1)).one()
        second = session.exec(select(Task).where(Task.id == 2)).one()
        print(first, second)


@fine
def the_same_helper_from_two_places(bench: Bench) -> None:
    def find(session: Session, number: int) -> Tag:
        return session.exec(select(Tag).where(Tag.id == number)).one()

    with bench.session() as session:
        one = find(session, 1)
        two = find(session, 2)
        print(one, two)


@fine
def many_rows_written_at_once(bench: Bench) -> None:
    with bench.session() as session:
        for number in range(4):
            session.add(Worker(name=f"new {number}"))
        session.commit()


@fine
def a_get_of_what_is_there(bench: Bench) -> None:
    with bench.session() as session:
        tasks = session.exec(select(Task)).all()
        assert [session.get(Task, task.id) for task in tasks] == list(tasks)
