"""SQLModel's own tests, taken from its source distribution.

They are not kept in this repository: a copy would go stale, and would be somebody else's code
under our name. So pip brings the distribution at test time, from whatever index it is set up for,
and its hash is held here: an archive that differs is refused before a line of it runs. It is kept
in pytest's cache, so only the first run needs a network. Without one the tests are skipped, except
on CI, where a suite that did not run would look like one that passed.

Only the tests and the examples they run are unpacked; the SQLModel under test is the installed one.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

VERSION = "0.0.50"
SHA256 = "8828720c5b6c397df72cdd055286846a352b614da80c1ba05ab7a57b2bb90821"

ARCHIVE = f"sqlmodel-{VERSION}.tar.gz"
TOP = f"sqlmodel-{VERSION}"
WANTED = ("tests", "docs_src", "pyproject.toml")  # the last so that pytest looks no further for settings


class NotAvailable(Exception):
    """Say that the source distribution could not be brought here."""


def unpack(target: Path, *, cache: Path) -> Path:
    """Put the tests and examples of the installed SQLModel under `target`; say where they are."""
    installed = version("sqlmodel")
    assert installed == VERSION, (
        f"SQLModel {installed} is installed, but its tests are pinned to {VERSION}. Set VERSION and SHA256 "
        f"(pip download --no-deps --no-binary sqlmodel sqlmodel=={installed}; pip hash the file) "
        f"in {__file__}, then go through deviations.py."
    )
    with tarfile.open(_archive(cache)) as archive:
        wanted = [m for m in archive.getmembers() if m.name.removeprefix(f"{TOP}/").split("/")[0] in WANTED]
        # Python 3.11.0 to 3.11.3 know no filter, and the hash says what is within.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(target, members=wanted)
    return target / TOP


def _archive(cache: Path) -> Path:
    """Find the archive in the cache, or bring it there."""
    kept = cache / ARCHIVE
    if not kept.exists() or _sha256(kept) != SHA256:
        # Runs side by side each bring their own; the last to finish wins, with the same bytes.
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            _download(Path(scratch))
            (Path(scratch) / ARCHIVE).replace(kept)
    return kept


def _download(directory: Path) -> None:
    """Let pip bring the archive; it compares the hash before it asks the archive for its metadata."""
    wanted = directory / "wanted.txt"
    wanted.write_text(f"sqlmodel=={VERSION} --hash=sha256:{SHA256}\n")
    options = ["--no-deps", "--no-binary", "sqlmodel", "--require-hashes", "--retries", "2"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", *options, "-d", str(directory), "-r", str(wanted)],
            capture_output=True,
            text=True,
            timeout=180,
        )
    except subprocess.TimeoutExpired as error:
        raise NotAvailable(f"pip did not bring {ARCHIVE} within {error.timeout:.0f} seconds.") from error
    assert "DO NOT MATCH THE HASHES" not in done.stderr, done.stderr
    if done.returncode:
        raise NotAvailable(f"pip could not bring {ARCHIVE}: {done.stderr.strip() or done.stdout.strip()}")


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
