"""Relationships: two sides that must know each other."""

from __future__ import annotations

from collections.abc import Iterator

from fieldstone.check.findings import Problem, Severity
from fieldstone.check.models import Model, model
from fieldstone.check.registry import File, rule


@rule("FS004", "back-populates-mismatch", Model, severity=Severity.ERROR)
def back_populates_mismatch(found: Model, file: File) -> Iterator[Problem]:
    """`back_populates` names an attribute that the other side does not have.

    Mapping then fails when the first query is made: InvalidRequestError, "Mapper has no property".

    Bad:
        class Team(SQLModel, table=True):
            heroes: list["Hero"] = Relationship(back_populates="teem")

    Good:
        class Team(SQLModel, table=True):
            heroes: list["Hero"] = Relationship(back_populates="team")
    """
    for relation in found.own_relations.values():
        other, named = model(file.project, relation.target), relation.back_populates
        if other is None or named is None or other.open or relation.doubtful or found.open:
            continue
        if named in other.relations or bound_in(other, named):
            continue
        back = [r.name for r in other.relations.values() if r.target == found.address]
        hint = f'Write `back_populates="{back[0]}"`.' if len(back) == 1 else f"Add `{named}` to {other.name}."
        yield Problem(
            relation.option("back_populates") or relation.node,
            f"{other.name} has no relationship `{named}`: mapping fails with InvalidRequestError.",
            hint,
        )


def bound_in(other: Model, name: str) -> bool:
    """Whether a class or one above it binds a name in a way that is no plain relationship."""
    bodies = [statement for above in other.above for statement in above.node.body]
    return any(name in {getattr(s, "name", None), *bound(s)} for s in bodies)


def bound(statement: object) -> set[str]:
    """The names that a statement of a class body assigns."""
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    return {target.id for target in targets if hasattr(target, "id")}
