"""How a case is written down: what must be found in it, at which of its lines, or that nothing may be.

The line where a mistake shows ends in `# trap`, and the line that led to it in `# cause`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Program = Callable[[Any], Any]


@dataclass(frozen=True)
class Case:
    """One small program, and what the guard has to say about it."""

    program: Program
    kind: str | None = None
    subject: str = ""
    remedy: str = ""

    @property
    def name(self) -> str:
        return self.program.__name__

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.program)

    @property
    def is_web(self) -> bool:
        return "web" in inspect.signature(self.program).parameters

    def line(self, mark: str) -> int | None:
        """Give the number of the line that ends in a mark."""
        lines, first = inspect.getsourcelines(self.program)
        return next((n for n, line in enumerate(lines, start=first) if line.rstrip().endswith(mark)), None)


CASES: list[Case] = []


def trap(kind: str, subject: str, remedy: str) -> Callable[[Program], Program]:
    """Say what must be found in a program."""

    def add(program: Program) -> Program:
        CASES.append(Case(program, kind, subject, remedy))
        return program

    return add


def fine(program: Program) -> Program:
    """Say that nothing may be found in a program."""
    CASES.append(Case(program))
    return program
