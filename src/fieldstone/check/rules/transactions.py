"""Who ends a transaction."""

from __future__ import annotations

from collections.abc import Iterator

from fieldstone.check.events import Called
from fieldstone.check.findings import Problem
from fieldstone.check.modules import Function
from fieldstone.check.registry import File, Tier, rule
from fieldstone.check.routes import parameters_of, route_of

SWITCHES = ("commit", "uow", "unit_of_work", "flush")


@rule("FS401", "commit-in-helper", Called, tier=Tier.OPT_IN)
def commit_in_helper(call: Called, file: File) -> Iterator[Problem]:
    """A function that is given a session commits it.

    Its caller cannot put it and other changes into one transaction any more: an error afterwards leaves
    half of them written, and objects that the caller holds may be expired.

    Bad:
        def add(session: Session, task: Task) -> None:
            session.add(task)
            session.commit()

    Good:
        def add(session: Session, task: Task) -> None:
            session.add(task)
            session.flush()

    Fine:
    Endpoints, and functions whose caller says whether they commit (`with_commit=`).
    """
    session, function = call.session, call.place.function
    if session is None or call.method != "commit" or not session.parameter or session.dependency:
        return
    if session.key.startswith("self.") or route_of(function) or switched(function) or file.module.facts.trial:
        return
    if f"{file.module.facts.module}:{function.node.name}" in file.project.dependencies:
        return
    yield Problem(
        call.node,
        f"`{function.node.name}` ends the transaction of whoever calls it.",
        f"Write `{file.module.text(call.node.func).replace('commit', 'flush')}()`; commit where it began.",
    )


def switched(function: Function) -> bool:
    """Whether the caller says if the function commits."""
    return any(word in argument.arg for argument, _ in parameters_of(function) for word in SWITCHES)
