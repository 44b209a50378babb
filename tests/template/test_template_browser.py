"""The app in a real browser: it loads without errors, and asks no other site for anything.

Skipped where no Chromium is installed; `make test` says so at its end.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from fieldstone import Database
from fieldstone.template.app import create_app
from fieldstone.template.seed import seed
from tests.template.migrated import migrated

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
PAGES = {"board": "/", "task": "/tasks/1", "form": "/new/task", "missing": "/tasks/4711"}
PAGES |= {"filtered": "/?q=phone&project.slug=shop&status=wrong"}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="NOT seen in a browser: no Chromium was found")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the demo data for as long as the tests look at it."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('site')}/tasks.db")
    migrated(database)
    seed(database)
    server = uvicorn.Server(uvicorn.Config(create_app(database), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server ended before it started"
            thread.join(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


def browse(url: str, directory: Path, *options: str) -> str:
    """Open a page; return what the browser printed and logged."""
    log = directory / "net.json"
    finished = subprocess.run(
        [
            str(CHROMIUM),
            *QUIET,
            f"--user-data-dir={directory}/profile",
            f"--log-net-log={log}",
            "--enable-logging=stderr",
            *options,
            url,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return finished.stdout + finished.stderr


def requested(directory: Path, site: str) -> set[str]:
    """Read what the pages of a site asked for, from the browser's log; it asks for more on its own."""
    events = json.loads((directory / "net.json").read_text())["events"]
    wanted = [event["params"] for event in events if "url" in event.get("params", {})]
    return {one["url"] for one in wanted if one["url"].startswith(site) or one.get("initiator") == site}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("size", SIZES)
def test_a_page_loads_without_errors_and_from_this_site_alone(
    site: str, tmp_path: Path, page: str, size: str
) -> None:
    width, height = SIZES[size]
    shots = Path(os.environ.get("FIELDSTONE_SCREENSHOTS", tmp_path))
    shot = shots / f"{page}-{size}.png"
    said = browse(site + PAGES[page], tmp_path, f"--window-size={width},{height}", f"--screenshot={shot}")
    assert shot.stat().st_size > 10_000
    assert [
        line for line in said.splitlines() if "CONSOLE" in line and "404" not in line and "422" not in line
    ] == []
    asked = requested(tmp_path, site)
    assert {f"{site}{PAGES[page]}", f"{site}/static/style.css", f"{site}/static/mark.svg"} <= asked
    assert {url for url in asked if not url.startswith(f"{site}/")} == set()
