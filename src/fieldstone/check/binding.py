"""Which names are bound, and which depend on them."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from fieldstone.check.trees import walk


def bound_in(target: ast.expr) -> set[str]:
    """The names that a target binds."""
    return {node.id for node in walk(target) if isinstance(node, ast.Name)}


def depending(body: Iterable[ast.AST], bound: set[str]) -> frozenset[str]:
    """The names bound by a loop, and those that its body computes from them."""
    known = set(bound)
    for _ in range(3):
        before = len(known)
        for node in (inner for statement in body for inner in walk(statement)):
            value = getattr(node, "value", None) if isinstance(node, ast.Assign | ast.AnnAssign) else None
            if isinstance(node, ast.For | ast.AsyncFor | ast.NamedExpr):
                value = node.iter if not isinstance(node, ast.NamedExpr) else node.value
            if isinstance(value, ast.expr) and mentions(value, known):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]  # type: ignore[attr-defined]  # all have one
                for target in targets:
                    known |= {
                        n.id for n in walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
                    }
        if len(known) == before:
            break
    return frozenset(known)


def mentions(node: ast.AST, known: set[str] | frozenset[str]) -> bool:
    """Whether an expression reads one of some names."""
    return any(isinstance(inner, ast.Name) and inner.id in known for inner in walk(node))
