"""The processes of a run: started together, spoken to over pipes, and ended with the block."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 120
ROOT = Path(__file__).parent.parent


class StackFailed(Exception):
    """Say that a stack raised, or that its process ended or hangs."""


@dataclass
class Process:
    """A process that answers each line it is sent with one."""

    process: subprocess.Popen[str]

    def ask(self, message: object) -> Any:
        """Send something as JSON and give the answer. Raises StackFailed."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise StackFailed("its process has ended") from None
        answer = json.loads(self.line())
        if isinstance(answer, dict) and "error" in answer:
            raise StackFailed(answer["error"])
        return answer

    def line(self) -> str:
        """Wait for the next line. Raises StackFailed."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        if not ready:
            self.process.kill()
            raise StackFailed(f"no answer for {PATIENCE} seconds")
        line = self.process.stdout.readline()
        if not line:
            raise StackFailed("its process has ended")
        return line


@contextmanager
def process(module: str, *arguments: object) -> Iterator[Process]:
    """Run a module of the benchmark, which ends when its input is closed."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield Process(started)
    finally:
        end(started)


def end(started: subprocess.Popen[str]) -> None:
    """Let a process end, and end it where it does not."""
    assert started.stdin is not None
    assert started.stdout is not None
    with suppress(BrokenPipeError):
        started.stdin.close()
    try:
        started.wait(5)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()
    started.stdout.close()
