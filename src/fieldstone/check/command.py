"""`fieldstone check`: findings on the screen or in a file, and an exit code for CI.

Exit codes: 0 nothing found, 1 something found, 2 the check could not run as it was asked to.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fieldstone.check import exchange, printing
from fieldstone.check.baseline import recorded, unknown
from fieldstone.check.configuration import Configuration
from fieldstone.check.discovery import root_of
from fieldstone.check.findings import UNREADABLE, Finding
from fieldstone.check.fixing import difference, fixed
from fieldstone.check.parsing import read, rewrite
from fieldstone.check.progress import shown
from fieldstone.check.rules import rules
from fieldstone.check.running import Options, Report, check
from fieldstone.check.sources import Sources
from fieldstone.check.workspace import Workspace
from fieldstone.errors import ConfigurationError

app = typer.Typer(add_completion=False)

Formatter = Callable[[Iterable[Finding], Sources], Iterator[str]]
FORMATS: dict[str, Formatter] = {
    "full": printing.full,
    "concise": printing.concise,
    "json": exchange.as_json,
    "github": exchange.github,
    "gitlab": exchange.gitlab,
    "sarif": exchange.sarif,
    "junit": exchange.junit,
    "rdjson": exchange.rdjson,
}
OutputFormat = StrEnum("OutputFormat", list(FORMATS))  # type: ignore[misc]  # the formats are named once
FULL = OutputFormat("full")
FOR_PEOPLE = {"full", "concise"}
# Fixes make others possible; a run that still finds some after so many rounds would never end.
ROUNDS = 10

CODES = "Codes or their beginnings (FS2, FS204, ALL), separated by commas; may be given again."


@app.command()
def check_command(
    paths: Annotated[list[str] | None, typer.Argument(help="Files and folders; by default this one.")] = None,
    select: Annotated[list[str] | None, typer.Option(help=f"Run these rules only. {CODES}")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help=f"Do not run these rules. {CODES}")] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Run rules that are not sure enough yet.")
    ] = False,
    output_format: Annotated[OutputFormat, typer.Option(help="How findings are written.")] = FULL,
    output_file: Annotated[Path | None, typer.Option(help="Write them to a file.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Make the edits that surely keep the meaning.")] = False,
    unsafe_fixes: Annotated[
        bool, typer.Option("--unsafe-fixes", help="Make the edits that should be read as well.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show what --fix would change, and change nothing.")
    ] = False,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Count the findings of each rule.")
    ] = False,
    baseline: Annotated[
        Path | None, typer.Option(help="Leave out the findings that this file holds.", dir_okay=False)
    ] = None,
    write_baseline: Annotated[
        Path | None, typer.Option(help="Write all findings to this file, and exit with 0.", dir_okay=False)
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes; by default one for each processor.", min=0)] = 0,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Read and judge every file anew, and keep nothing.")
    ] = False,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit with 0 whatever is found.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Check again whenever a file changes, until Ctrl+C.")
    ] = False,
) -> None:
    """Find the known pitfalls of SQLModel, SQLAlchemy and FastAPI in source, without importing it."""
    wanted = existing([Path(path) for path in paths or ["."]])
    options = Options(known(select), known(ignore), preview, jobs, cached=not no_cache)
    show = Show(output_format.value, statistics, baseline)
    if watch:
        writing = {"--fix": fix, "--unsafe-fixes": unsafe_fixes, "--diff": diff}
        alone({**writing, "--output-file": output_file, "--write-baseline": write_baseline})
        keep_watching(Workspace(wanted, options), show)
        return
    if diff:
        raise typer.Exit(show_changes(wanted, options, unsafe_fixes))
    made = repair(wanted, options, unsafe_fixes) if fix or unsafe_fixes else 0
    with shown() as progress:
        report = check(wanted, options, progress=progress)
    if write_baseline:
        write_baseline.write_text(recorded(report.findings, Sources(report.root)), encoding="utf-8")
        typer.echo(f"Wrote {len(report.findings)} findings to {write_baseline}.", err=True)
        return
    report = without_baseline(report, baseline)
    write(show.lines(report, made), output_file)
    raise typer.Exit(0 if exit_zero else int(bool(report.findings)))


@dataclass(frozen=True, slots=True)
class Show:
    """How a report is written."""

    form: str
    statistics: bool
    baseline: Path | None

    def lines(self, report: Report, made: int = 0) -> list[str]:
        """Write a report, after so many repairs."""
        sources = Sources(report.root)
        lines = list(
            printing.statistics(report.findings, {code: rule.name for code, rule in rules().items()})
            if self.statistics
            else FORMATS[self.form](report.findings, sources)
        )
        if self.form in FOR_PEOPLE:
            lines += [f"Repaired {made}."] if made else []
            lines += printing.closing(report.findings, report.files, report.lines)
        return lines


def alone(given: dict[str, object]) -> None:
    """Refuse what --watch cannot be given together with."""
    for option, value in given.items():
        if value:
            raise ConfigurationError(
                f"--watch only shows what it finds, and {option} does more. Leave one of them out."
            )


def keep_watching(workspace: Workspace, show: Show) -> None:
    """Show what is found, again after each change."""
    from rich.console import Console

    from fieldstone.check.watching import reports

    screen = Console()
    with shown() as progress:
        for report in reports(workspace, progress):
            screen.clear()  # where it is a terminal
            if isinstance(report, ConfigurationError):
                lines = [str(report)]
            else:
                lines = show.lines(without_baseline(report, show.baseline))
            write([*lines, f"Watching {workspace.root}. Ctrl+C ends it."], None)
            sys.stdout.flush()


def existing(paths: list[Path]) -> list[Path]:
    """Refuse paths that are not there."""
    for path in paths:
        if not path.exists():
            raise ConfigurationError(f"There is no {str(path)!r}. Name files or folders that exist.")
    return paths


def known(given: list[str] | None) -> frozenset[str]:
    """Take codes apart, and refuse those that begin no rule's."""
    codes = frozenset(
        code.strip().upper() for text in given or () for code in text.split(",") if code.strip()
    )
    for code in sorted(codes - {"ALL", UNREADABLE}):
        if not any(rule.startswith(code) for rule in rules()):
            raise ConfigurationError(f"No rule begins with {code!r}. `fieldstone rule` lists them all.")
    return codes


def without_baseline(report: Report, given: Path | None) -> Report:
    """Leave out what a baseline holds: the one that is given, or the configured one."""
    configured = Configuration.read(report.root).baseline
    path = given or (report.root / configured if configured else None)
    if path is None:
        return report
    return replace(report, findings=unknown(report.findings, path, Sources(report.root)))


def repair(paths: list[Path], options: Options, unsafe: bool) -> int:
    """Make fixes until none is left; tell how many."""
    made = 0
    for _ in range(ROUNDS):
        changes = list(changed(check(paths, options), unsafe))
        for path, _, text, count in changes:
            rewrite(path, text)
            made += count
        if not changes:
            break
    return made


def show_changes(paths: list[Path], options: Options, unsafe: bool) -> int:
    """Print what a round of fixes would change; 1 if that is anything."""
    root = root_of([path.resolve() for path in paths])
    changes = list(changed(check(paths, options), unsafe))
    for path, before, after, _ in changes:
        typer.echo(difference(path.relative_to(root).as_posix(), before, after), nl=False)
    return int(bool(changes))


def changed(report: Report, unsafe: bool) -> Iterator[tuple[Path, str, str, int]]:
    """The files that fixes change: their text before and after, and how many fixes that takes."""
    by_path: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if finding.fix:
            by_path.setdefault(finding.path, []).append(finding)
    for path, findings in by_path.items():
        before = read(report.root / path)
        after = fixed(before, findings, unsafe)
        if after.made and after.text != before:
            yield report.root / path, before, after.text, after.made


def write(lines: list[str], file: Path | None) -> None:
    """Write lines to a file or the screen."""
    text = "".join(f"{line}\n" for line in lines)
    if file is None:
        sys.stdout.write(text)
    else:
        file.write_text(text, encoding="utf-8")
