"""The type of a relationship, in every spelling that people write.

`"Project | None"`, `Optional["Project"]`, `list["Task"]`, `"list[Task]"`, `List["Task"]`, and each
of them as the mere text that `from __future__ import annotations` leaves behind.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ForwardRef, Union, get_args, get_origin

from sqlalchemy.orm import Mapped

from fieldstone.errors import ModelError


@dataclass(frozen=True)
class Written:
    """What a relationship's annotation says: the other model, and how many of it."""

    target: Any  # a class, or its name while it does not exist yet
    many: bool = False
    optional: bool = False


_MANY = {"list", "List"}


def read_annotation(annotation: Any) -> Written | None:
    """Read any accepted spelling of a relationship's type; None for one that is not."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        try:
            return _read_node(ast.parse(annotation.strip(), mode="eval").body)
        except SyntaxError:
            return None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None:
        return Written(annotation) if isinstance(annotation, type) else None
    if origin in (Union, types.UnionType):
        return _optional(
            [read_annotation(each) for each in arguments if each is not types.NoneType], arguments
        )
    if origin is Mapped:
        return read_annotation(arguments[0])
    return _many(origin.__name__, [read_annotation(each) for each in arguments])


def _read_node(node: ast.expr) -> Written | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return read_annotation(node.value)
    if isinstance(node, (ast.Name, ast.Attribute)):
        return Written(ast.unparse(node))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = [node.left, node.right]
        return _optional([_read_node(each) for each in sides if not _is_none(each)], sides)
    if isinstance(node, ast.Subscript):
        name = ast.unparse(node.value).rpartition(".")[2]
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name in ("Optional", "Union"):
            kept = [_read_node(each) for each in inner if not _is_none(each)]
            return _optional(kept, [*kept, None] if name == "Optional" else inner)
        if name == "Mapped":
            return _read_node(inner[0])
        return _many(name, [_read_node(each) for each in inner])
    return None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _optional(kept: list[Written | None], written: Sequence[Any]) -> Written | None:
    if len(kept) != 1 or kept[0] is None:
        return None
    return Written(kept[0].target, kept[0].many, optional=kept[0].optional or len(written) > 1)


def _many(name: str, inner: list[Written | None]) -> Written | None:
    if name not in _MANY or len(inner) != 1 or inner[0] is None or inner[0].many:
        return None
    return Written(inner[0].target, many=True)


def written_type(model: str, name: str, annotation: Any) -> Written:
    """Read the type of a model's relationship, or say how to write it."""
    written = read_annotation(annotation)
    if written is None:
        raise ModelError(
            f"{model}.{name} is not readable as a relationship: its type is {annotation!r}. "
            f'Write {name}: "Other", "Other | None" or list["Other"].'
        )
    return written
