"""Start an example as a program, where upstream does so through the `coverage` command.

Two of its tests do. What they measure is of no use here; what they start is, so it is started
with Fieldstone's engines and sessions in place.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys


def run(arguments: list[str]) -> None:
    """Do what `coverage run … -m module arguments` does, without measuring."""
    importlib.import_module(os.environ["PYTEST_PLUGINS"])  # the substitution, also without a pytest
    sys.argv = arguments[arguments.index("-m") + 1 :]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    run(sys.argv)
