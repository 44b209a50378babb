"""Rules, and how a function becomes one.

The guide for who writes a rule stands in `fieldstone.check.rules`.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from fieldstone.check.analysis import Analysis
from fieldstone.check.findings import Problem, Repair, Severity
from fieldstone.check.modules import Module
from fieldstone.check.project import Project

Body = TypeVar("Body", bound=Callable[..., Iterator[Problem]])


class Tier(StrEnum):
    """When a rule runs."""

    DEFAULT = "default"
    OPT_IN = "opt-in"  # right, but a matter of opinion: when it is selected by its code
    PREVIEW = "preview"  # not yet sure enough: with --preview, or when selected by its code


@dataclass(frozen=True, slots=True)
class File:
    """What a rule may ask: the file, the project, and the analysis of its functions."""

    module: Module
    project: Project
    analysis: Analysis


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: what it looks at, what it yields, and what its page says."""

    code: str
    name: str
    subjects: tuple[type, ...]
    body: Callable[[Any, File], Iterator[Problem]]
    severity: Severity
    tier: Tier
    repair: Repair
    calls: frozenset[str]
    attributes: frozenset[str]
    summary: str
    why: str
    bad: str
    good: str
    fine: str

    @property
    def group(self) -> str:
        """The module of `fieldstone.check.rules` that holds it."""
        return self.body.__module__.rpartition(".")[2]


RULES: dict[str, Rule] = {}


def rule(
    code: str,
    name: str,
    *subjects: type,
    severity: Severity = Severity.WARNING,
    tier: Tier = Tier.DEFAULT,
    repair: Repair = Repair.NONE,
    calls: Iterable[str] = (),
    attributes: Iterable[str] = (),
) -> Callable[[Body], Body]:
    """Make a rule of a function that takes one subject and the File, and yields problems.

    Subjects are syntax nodes (`ast.Call`), events (`Read`, `Called`, ...), `Model` (each class of the
    file that is a table, model or schema), `Function`, or `Module` (once a file).

    Most rules about calls are about few: `calls` names these by address (`sqlalchemy.text`) or by their
    last name as it is written (`commit`), and the rule is asked about no others, which saves much time.
    `attributes` are the last names that a rule about `ast.Attribute` looks for.
    """

    def register(body: Body) -> Body:
        if code in RULES and RULES[code].body.__qualname__ != body.__qualname__:
            raise ValueError(f"{code} is taken: {RULES[code].name} has it. Give {name} another code.")
        summary, why, bad, good, fine = described(body)
        RULES[code] = Rule(
            code,
            name,
            subjects,
            body,
            severity,
            tier,
            repair,
            frozenset(calls),
            frozenset(attributes),
            summary,
            why,
            bad,
            good,
            fine,
        )
        return body

    return register


def described(body: Callable[..., object]) -> tuple[str, str, str, str, str]:
    """Take a rule's docstring apart: a summary, why, and the parts headed Bad, Good and Fine."""
    text = inspect.getdoc(body) or ""
    parts = re.split(r"^(Bad|Good|Fine):\n", text, flags=re.MULTILINE)
    named = dict(zip(parts[1::2], parts[2::2], strict=True))
    summary, _, why = parts[0].strip().partition("\n\n")
    bad, good = (textwrap.dedent(named.get(part, "")).strip("\n") for part in ("Bad", "Good"))
    if not (summary and why and bad and good):
        raise ValueError(
            f"{body.__qualname__} lacks part of its docstring: summary, why, Bad and Good are needed."
        )
    return " ".join(summary.split()), why.strip(), bad.rstrip(), good.rstrip(), named.get("Fine", "").strip()


def is_node(subject: type) -> bool:
    """Whether a subject is a kind of syntax node."""
    return issubclass(subject, ast.AST)
