"""Instances that a commit or a rollback has expired, and what still reads them."""

from __future__ import annotations

from collections.abc import Iterator

from fieldstone.check.events import Read
from fieldstone.check.findings import Problem, Severity
from fieldstone.check.registry import File, rule
from fieldstone.check.values import Status


@rule("FS204", "expired-after-commit", Read, severity=Severity.ERROR)
def expired_after_commit(read: Read, file: File) -> Iterator[Problem]:
    """An attribute is read after an asynchronous commit has expired its instance.

    With `expire_on_commit` left at True, a commit empties every instance of the session. The next
    read of an attribute, also in a log line or an f-string, has to ask the database, which an
    AsyncSession cannot do there: MissingGreenlet is raised, after the data was saved.

    Bad:
        await session.commit()
        logger.info("saved %s", task.title)

    Good:
        await session.commit()
        await session.refresh(task)
        logger.info("saved %s", task.title)

    Fine:
    Sessions that are made with `expire_on_commit=False` keep what they hold.
    """
    expired = expiry(read, "commit")
    if expired:
        name = file.module.text(read.node.value)
        yield Problem(
            read.node,
            f"The commit in line {expired} expired `{name}`, so `.{read.name}` raises MissingGreenlet.",
            f"Write `await session.refresh({name})` first, or make sessions with `expire_on_commit=False`.",
        )


@rule("FS206", "expired-after-rollback", Read, severity=Severity.ERROR)
def expired_after_rollback(read: Read, file: File) -> Iterator[Problem]:
    """An attribute is read after an asynchronous rollback has expired its instance.

    A rollback expires what the session read, whatever `expire_on_commit` says. In an `except` block
    the read then raises MissingGreenlet, and that is what the caller sees instead of the error.

    Bad:
        except IntegrityError:
            await session.rollback()
            logger.error("task %s is in the way", task.id)

    Good:
        task_id = task.id  # before the try
        ...
        except IntegrityError:
            await session.rollback()
            logger.error("task %s is in the way", task_id)

    Fine:
    What was added in the same transaction is no row any more, and keeps its values.
    """
    expired = expiry(read, "rollback")
    if expired:
        name = file.module.text(read.node.value)
        yield Problem(
            read.node,
            f"The rollback in line {expired} expired `{name}`, so `.{read.name}` raises MissingGreenlet.",
            f"Take what is needed of `{name}` into a variable before the transaction can fail.",
        )


def expiry(read: Read, verb: str) -> int | None:
    """The line that expired an instance, if reading this attribute would load it without await."""
    thing, session = read.thing, read.session
    if thing.expired is None or thing.expired.verb != verb or thing.status is Status.DELETED:
        return None
    if session is None or not session.asynchronous or not (read.column or read.relation):
        return None
    return None if read.name in thing.kept else thing.expired.line
