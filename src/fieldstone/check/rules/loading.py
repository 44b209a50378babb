"""Relationships that are read without having been loaded."""

from __future__ import annotations

from collections.abc import Iterator

from fieldstone.check.events import Read
from fieldstone.check.findings import Problem, Severity
from fieldstone.check.registry import File, rule
from fieldstone.check.values import Status, Thing


@rule("FS208", "lazy-load-in-async", Read, severity=Severity.ERROR)
def lazy_load_in_async(read: Read, file: File) -> Iterator[Problem]:
    """A relationship is read on an instance of an AsyncSession whose query did not load it.

    Reading it would have to send a statement without `await`: MissingGreenlet. It only works while the
    other row happens to be in the session already, so tests with one user pass.

    Bad:
        review = (await session.exec(select(Review).where(Review.id == key))).first()
        return review.user.name

    Good:
        found = select(Review).where(Review.id == key).options(selectinload(Review.user))
        review = (await session.exec(found)).first()
        return review.user.name

    Fine:
    `lazy="selectin"` or `"joined"` on the relationship, `refresh(review, ["user"])`, instances that were
    just made, and tests that read the one row which they have put into the session themselves.
    """
    thing, relation = read.thing, read.relation
    if relation is None or relation.lazy != "select" or thing.has(read.name) or thing.expired:
        return
    if thing.status is not Status.PERSISTENT or read.session is None or not read.session.asynchronous:
        return
    if read.name in thing.kept or (file.module.facts.trial and not relation.many):
        return
    path = f"{read.model.name}.{read.name}"
    name = file.module.text(read.node.value)
    yield Problem(
        read.node,
        f"`{path}` is not loaded, so reading it raises MissingGreenlet.",
        f"Add `.options(selectinload({path}))` to the query that gives `{name}`.",
    )


@rule("FS209", "use-after-session-scope", Read, severity=Severity.ERROR)
def use_after_session_scope(read: Read, file: File) -> Iterator[Problem]:
    """An attribute that is not loaded is read after the session's `with` block has ended.

    The instance is detached: what it holds can be read, anything else raises DetachedInstanceError.

    Bad:
        with Session(engine) as session:
            session.add(task)
            session.commit()
        print(task.id)

    Good:
        with Session(engine) as session:
            session.add(task)
            session.commit()
            session.refresh(task)
        print(task.id)

    Fine:
    Columns of an instance that no commit expired, and relationships that the query loaded.
    """
    thing = read.thing
    if thing.status is not Status.DETACHED or read.name in thing.kept or not missing(read, thing):
        return
    name = file.module.text(read.node.value)
    yield Problem(
        read.node,
        f"The session of `{name}` is closed and `.{read.name}` is not loaded: DetachedInstanceError.",
        f"Read it inside the `with` block, or load it there: `session.refresh({name})`, a loader option.",
    )


def missing(read: Read, thing: Thing) -> bool:
    """Whether an attribute would have to be loaded."""
    if thing.expired:
        return read.column or read.relation is not None
    return read.relation is not None and read.relation.lazy == "select" and not thing.has(read.name)
