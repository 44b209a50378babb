"""The pytest plugin: what it takes to have one PostgreSQL server in a test run.

pytest loads it through the package's entry point, in every run of an environment that has
Fieldstone. So it does nothing until a test asks for its fixture.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

_RUN = pytest.StashKey[Path]()
_WORKER_INPUT = "fieldstone_test_run"


@pytest.fixture(scope="session")
def postgres_url(pytestconfig: pytest.Config) -> str:
    """Return the URL of a real PostgreSQL server, found or started for this run.

    Where none can be had, the tests that need it fail and say what to do; they are skipped only
    when FIELDSTONE_NO_POSTGRES=1 asks for it.
    """
    from fieldstone.testing import postgres

    if os.environ.get("FIELDSTONE_NO_POSTGRES", "") not in {"", "0"}:
        pytest.skip("FIELDSTONE_NO_POSTGRES is set: NOT tested on PostgreSQL")
    try:
        return postgres.postgres_url(_test_run(pytestconfig))
    except postgres.PostgresUnavailable as error:
        pytest.fail(str(error), pytrace=False)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each process of pytest-xdist which run it belongs to."""
    node.workerinput[_WORKER_INPUT] = str(_test_run(node.config))


def _test_run(config: pytest.Config) -> Path:
    """Return the directory of the run, made by the process that began it and kept until it ends."""
    if (given := getattr(config, "workerinput", None)) is not None:
        return Path(given[_WORKER_INPUT])
    if _RUN not in config.stash:
        from fieldstone.testing import postgres

        lifetime = ExitStack()
        config.stash[_RUN] = lifetime.enter_context(postgres.run_directory())
        config.add_cleanup(lifetime.close)
    return config.stash[_RUN]
