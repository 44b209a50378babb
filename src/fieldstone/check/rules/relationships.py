"""Relationships: two sides that must know each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.fields import Relation
from fieldstone.check.findings import Fix, Problem, Repair, Severity
from fieldstone.check.models import Model, model
from fieldstone.check.registry import File, rule
from fieldstone.check.repairs import imported, with_keyword, with_option


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
        if not found.tables_below:
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


def bound(statement: ast.stmt) -> set[str]:
    """The names that a statement of a class body assigns."""
    match statement:
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case _:
            return set()


@rule("FS003", "unlinked-relationship-pair", Model, repair=Repair.UNSAFE)
def unlinked_relationship_pair(found: Model, file: File) -> Iterator[Problem]:
    """Two relationships are the two sides of one, and do not know it.

    Setting one side leaves the other as it was until the next read, and both write the foreign key:
    SQLAlchemy warns that they conflict (SAWarning).

    Bad:
        class Team(SQLModel, table=True):
            heroes: list["Hero"] = Relationship()

        class Hero(SQLModel, table=True):
            team: Team = Relationship()

    Good:
        class Team(SQLModel, table=True):
            heroes: list["Hero"] = Relationship(back_populates="team")

        class Hero(SQLModel, table=True):
            team: Team = Relationship(back_populates="heroes")

    Fine:
    A relationship whose other side does not exist, and views (`viewonly=True`).
    """
    for relation in found.own_relations.values():
        other = model(file.project, relation.target)
        if other is None or other.address == found.address or said_more(relation):
            continue
        if not found.table or not other.table:
            continue
        there = [one for one in found.relations.values() if one.target == other.address]
        back = [one for one in other.relations.values() if one.target == found.address]
        if len(there) == 1 and len(back) == 1 and not said_more(back[0]):
            yield Problem(
                relation.node,
                f"`{relation.name}` and `{other.name}.{back[0].name}` do not know each other: setting one"
                " leaves the other as it was (SAWarning).",
                f'Write `back_populates="{back[0].name}"` here and `back_populates="{relation.name}"` there.',
                Fix((with_keyword(relation.call, "back_populates", f'"{back[0].name}"', file.module),)),
            )


SAYING = ("back_populates", "backref", "viewonly", "overlaps", "primaryjoin", "foreign_keys", "secondary")


def said_more(relation: Relation) -> bool:
    """Whether a relationship says, or may say, how it is meant."""
    said = any(relation.option(name) is not None for name in (*SAYING, "link_model"))
    return said or relation.doubtful


@rule("FS006", "ambiguous-foreign-keys", Model, severity=Severity.ERROR)
def ambiguous_foreign_keys(found: Model, file: File) -> Iterator[Problem]:
    """Two foreign keys lead to one table, and a relationship does not say which it follows.

    Mapping fails when the first query is made: AmbiguousForeignKeysError.

    Bad:
        class Match(SQLModel, table=True):
            home_id: int = Field(foreign_key="team.id")
            guest_id: int = Field(foreign_key="team.id")
            home: Team = Relationship()

    Good:
        class Match(SQLModel, table=True):
            home_id: int = Field(foreign_key="team.id")
            guest_id: int = Field(foreign_key="team.id")
            home: Team = Relationship(sa_relationship_kwargs={"foreign_keys": "Match.home_id"})
    """
    if not found.table or found.open or found.fieldstone:
        return
    for relation in found.own_relations.values():
        other = model(file.project, relation.target)
        said = any(relation.option(name) is not None for name in (*SAYING[4:], "link_model"))
        if other is None or other.open or said or relation.doubtful:
            continue
        keys = keys_between(found, other)
        if len(keys) > 1 and not any(above.table for one in (found, other) for above in one.above[1:]):
            listed = " and ".join(f"`{key}`" for key in keys)
            yield Problem(
                relation.node,
                f"{listed} join the two tables: mapping fails with AmbiguousForeignKeysError.",
                f'Say which: `sa_relationship_kwargs={{"foreign_keys": "{keys[0]}"}}`.',
            )


def keys_between(found: Model, other: Model) -> list[str]:
    """The foreign keys that join two tables, whichever of them holds them."""
    ways = [(found, other)] if found.address == other.address else [(found, other), (other, found)]
    return [
        f"{holder.name}.{column.name}"
        for holder, target in ways
        for column in holder.columns.values()
        if (column.foreign_key or "").startswith(f"{target.tablename}.")
    ]


@rule("FS007", "self-reference-without-remote-side", Model, severity=Severity.ERROR, repair=Repair.UNSAFE)
def self_reference_without_remote_side(found: Model, file: File) -> Iterator[Problem]:
    """A table refers to itself, and nothing says which side is the parent.

    Both relationships then go the same way: ArgumentError when the first query is made.

    Bad:
        class Node(SQLModel, table=True):
            parent_id: int | None = Field(default=None, foreign_key="node.id")
            parent: "Node" = Relationship(back_populates="children")
            children: list["Node"] = Relationship(back_populates="parent")

    Good:
        class Node(SQLModel, table=True):
            parent_id: int | None = Field(default=None, foreign_key="node.id")
            parent: "Node" = Relationship(
                back_populates="children", sa_relationship_kwargs={"remote_side": "Node.id"}
            )
            children: list["Node"] = Relationship(back_populates="parent")

    Fine:
    Models of Fieldstone, which find the side by themselves.
    """
    if found.fieldstone:
        return
    for relation in found.own_relations.values():
        if (
            relation.target != found.address
            or relation.many
            or relation.back_populates not in found.relations
        ):
            continue
        sides = (relation, found.relations[relation.back_populates])
        if any(
            side.doubtful or side.option(n) is not None
            for side in sides
            for n in ("remote_side", *SAYING[4:])
        ):
            continue
        remote = f"{found.name}.{referred(found)}"
        edit = with_option(relation.call, "remote_side", f'"{remote}"', file.module)
        direct = file.module.address(relation.call.func) != names.RELATIONSHIP
        said = (
            f'remote_side="{remote}"' if direct else f'sa_relationship_kwargs={{"remote_side": "{remote}"}}'
        )
        yield Problem(
            relation.node,
            f"Nothing says that `{relation.name}` is the one side: mapping fails with ArgumentError.",
            f"Add `{said}`.",
            Fix((edit,)) if edit else None,
        )


def referred(found: Model) -> str:
    """The column of a table to which its own foreign key leads."""
    for column in found.columns.values():
        table, _, name = (column.foreign_key or "").rpartition(".")
        if table.rpartition(".")[2] == found.tablename:
            return name
    return next((column.name for column in found.columns.values() if column.primary_key), "id")


@rule("FS009", "stringified-relationship", Model, severity=Severity.ERROR, repair=Repair.UNSAFE)
def stringified_relationship(found: Model, file: File) -> Iterator[Problem]:
    """A relationship's annotation is a text from which SQLModel cannot read the class.

    `"Team | None"` in one text, and under `from __future__ import annotations` everything but the bare
    name of a class, are taken for the name of a class: InvalidRequestError when the first query is made.

    Bad:
        class Hero(SQLModel, table=True):
            team: "Team | None" = Relationship(back_populates="heroes")

    Good:
        class Hero(SQLModel, table=True):
            team: Optional["Team"] = Relationship(back_populates="heroes")

    Fine:
    Models of Fieldstone, and relationships of SQLAlchemy, which read these texts.
    """
    if not found.sqlmodel or found.fieldstone or not found.tables_below:
        return
    for relation in found.own_relations.values():
        annotation = relation.node.annotation if isinstance(relation.node, ast.AnnAssign) else None
        whole = names.keyword(relation.call, "sa_relationship") is not None
        if annotation is not None and not whole and unreadable(annotation, file):
            yield Problem(
                annotation,
                f"`{file.module.text(annotation)}` is taken for the name of a class: InvalidRequestError.",
                'Quote the class alone, `Optional["Team"]` or `list["Hero"]`, without the future import.',
                requoted(annotation, file),
            )


def unreadable(annotation: ast.expr, file: File) -> bool:
    """Whether an annotation reaches SQLModel as a text that is more than a name."""
    future = file.module.facts.imports.get("annotations") == "__future__.annotations"
    if future:
        return names.dotted(annotation) is None
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return not annotation.value.replace(".", "").replace("_", "").isalnum()
    return False


def requoted(annotation: ast.expr, file: File) -> Fix | None:
    """Quote the class alone; None under the future import, which the whole file may rely on."""
    if (
        not isinstance(annotation, ast.Constant)
        or "__future__.annotations" in file.module.facts.imports.values()
    ):
        return None
    try:
        inner = ast.parse(str(annotation.value).strip(), mode="eval").body
    except SyntaxError:
        return None
    match inner:
        case ast.BinOp(op=ast.BitOr(), left=ast.Name(id=name), right=ast.Constant(value=None)):
            wrapper = "Optional"
        case ast.BinOp(op=ast.BitOr(), left=ast.Constant(value=None), right=ast.Name(id=name)):
            wrapper = "Optional"
        case ast.Subscript(value=ast.Name(id=wrapper), slice=ast.Name(id=name)) if wrapper in WRAPPERS:
            pass
        case _:
            return None
    known = (wrapper, ()) if wrapper == "list" else imported(f"typing.{wrapper}", file.module)
    if known is None:
        return None
    spelled, edits = known
    return Fix((*edits, file.module.replace(annotation, f'{spelled}["{name}"]')))


WRAPPERS = frozenset({"list", "List", "Optional"})
