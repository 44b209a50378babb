"""Foreign keys that clients send: what a form means by nothing, and what the database makes of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from fieldstone.check import names
from fieldstone.check.fields import Column
from fieldstone.check.findings import Problem
from fieldstone.check.models import Model, model, tables
from fieldstone.check.registry import File, Tier, rule
from fieldstone.check.trees import walk

# Names of schemas that clients fill in, around the name of what they are about.
VERB = "Create|Update|Patch"
FORM = "Params?|Input|In|Request|Payload|Form|Body|Schema|Dto|DTO"
REQUEST = re.compile(
    rf"^(?:(?:{VERB})(\w+?)(?:{FORM})?|(\w+?)(?:{VERB})(?:{FORM})?|(\w+?)(?:Input|In|Request|Payload))$"
)
VALIDATORS = frozenset({"field_validator", "validator"})
WHOLE = frozenset({"model_validator", "root_validator"})
# What is counted as "no row at all" by the smallest number that is admitted.
LEAST = {"ge": 1, "gt": 0}


@rule("FS022", "fk-zero-not-normalised", Model, tier=Tier.OPT_IN)
def zero_not_normalised(found: Model, file: File) -> Iterator[Problem]:
    """A schema that clients send admits 0 for a foreign key that may be absent.

    Forms and generated clients send 0 where they mean none. No row has that key: IntegrityError when it
    is stored, which answers 500, and on SQLite, which does not look by itself, a key that leads nowhere.

    Bad:
        class TaskCreate(SQLModel):
            project_id: int | None = None

    Good:
        class TaskCreate(SQLModel):
            project_id: int | None = Field(default=None, ge=1)

    Fine:
    A validator that turns 0 into None, and tables of Fieldstone, whose errors name the field.
    """
    if found.table:
        return
    family = [found, *(m for a in file.project.descendants(found.address) if (m := model(file.project, a)))]
    for column in found.own_columns.values():
        if not optional_integer(column) or bounded(column):
            continue
        heirs = [one for one in family if inherits(one, column)]
        sent = next((one for one in heirs if is_sent(one) and not validated(one, column.name)), None)
        if sent and stored(sent, heirs, column.name):
            where = "" if sent is found else f" of `{sent.name}`"
            yield Problem(
                column.node,
                f"`{column.name}`{where} admits 0, which is the key of no row: IntegrityError.",
                "Write `Field(default=None, ge=1)`, or turn 0 into None in a validator.",
            )


def optional_integer(column: Column) -> bool:
    """Whether a field is an integer or None, and nothing more is said in the annotation."""
    annotation = column.annotation
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        parts = [annotation.left, annotation.right]
    elif (
        isinstance(annotation, ast.Subscript) and column.module.address(annotation.value) == "typing.Optional"
    ):
        parts = [annotation.slice, ast.Constant(None)]
    else:
        return False
    spelled = {"None" if isinstance(part, ast.Constant) else names.dotted(part) for part in parts}
    known = column.call is not None or column.value is None or isinstance(column.value, ast.Constant)
    return spelled == {"int", "None"} and known and column.module.address("int") is None


def bounded(column: Column) -> bool:
    """Whether a field refuses 0, or may refuse it."""
    if column.call is None:
        return False
    if names.spread(column.call):
        return True
    for word, least in LEAST.items():
        given = column.keyword(word)
        value = names.literal(given)
        if given is not None and (not isinstance(value, int) or value >= least):
            return True
    return False


def inherits(one: Model, column: Column) -> bool:
    """Whether a class has a column from where it is declared."""
    return column.name in one.columns and one.columns[column.name].owner == column.owner


def is_sent(one: Model) -> bool:
    """Whether a class is, by its name, a schema that clients fill in."""
    return one.schema and not one.open and stem(one.name) is not None


def stem(name: str) -> str | None:
    """The name of what a schema is about: `Task` for `TaskCreate` and `UpdateTaskParams`."""
    found = REQUEST.match(name)
    return next(filter(None, found.groups()), None) if found else None


def stored(sent: Model, heirs: list[Model], name: str) -> bool:
    """Whether the table that a schema is about has the field as a foreign key."""
    named = [one for one in tables(sent.project) if one.name == stem(sent.name)]
    below = [one for one in heirs if one.table]
    found = [one for one in (named if len(named) == 1 else below) if not one.fieldstone]
    return any(name in one.columns and one.columns[name].foreign_key is not None for one in found)


def validated(one: Model, name: str) -> bool:
    """Whether a validator of a class, or of one above, may change or refuse a field."""
    return any(validates(node, name) for above in one.above for node in walk(above.node))


def validates(node: ast.AST, name: str) -> bool:
    """Whether a call makes a validator of a field, or of the whole."""
    called = node.func if isinstance(node, ast.Call) else node
    last = (names.dotted(called) or "").rpartition(".")[2]
    if last in WHOLE or last == "BeforeValidator":
        return True
    if last not in VALIDATORS or not isinstance(node, ast.Call):
        return False
    said = [names.literal(given) for given in node.args]
    return any(one in {name, "*"} or not isinstance(one, str) for one in said)
