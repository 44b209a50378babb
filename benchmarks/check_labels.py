"""How well `fieldstone check` does on labelled lines of real repositories.

    python benchmarks/check_labels.py LABELS --corpus DIRECTORY [--mirrors DIRECTORY] [--rule FS204]

LABELS holds one JSON object a line: repo, commit, path, line, rule, verdict ("bad" or "fine"), why.
DIRECTORY of the corpus holds one work tree a repository, named owner+name. Where one is missing and
`--mirrors` names a directory of git directories (owner+name/repo), its files are taken from there at
the labelled commit: sources and what declares versions, nothing else. None of it belongs in this project.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from fieldstone.check.findings import Finding
from fieldstone.check.running import Options, check

WANTED = (".py", ".toml", ".lock", ".txt", ".cfg", ".ini")


@dataclass(frozen=True)
class Label:
    """One line of which somebody knows whether the rule must speak."""

    repo: str
    commit: str
    path: str
    line: int
    rule: str
    verdict: str
    why: str

    @property
    def directory(self) -> str:
        """Name the repository's directory in the corpus."""
        return self.repo.replace("/", "+")


def main() -> int:
    """Print recall and false alarms of each rule, and each label that was judged wrongly."""
    arguments = parsed_arguments()
    labels = [Label(**json.loads(line)) for line in arguments.labels.read_text().splitlines()]
    if arguments.mirrors:
        for repo, commit in sorted({(label.repo, label.commit) for label in labels}):
            extract(repo, commit, arguments.mirrors, arguments.corpus)
    if arguments.rule:
        labels = [label for label in labels if label.rule in arguments.rule]
    by_repo: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_repo[label.directory].append(label)
    judged: list[tuple[Label, bool]] = []
    for directory, some in sorted(by_repo.items()):
        found = found_in(arguments.corpus / directory, set(arguments.rule or ()))
        judged += [(label, (label.path, label.line, label.rule) in found) for label in some]
    report(judged)
    return 0


def parsed_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--mirrors", type=Path)
    parser.add_argument("--rule", action="append")
    return parser.parse_args()


def found_in(root: Path, rules: set[str]) -> set[tuple[str, int, str]]:
    """Check one repository with every rule, whatever its tier."""
    options = Options(select=frozenset(rules) or frozenset({"ALL"}), preview=True, jobs=1, configured=False)
    findings: list[Finding] = check([root], options).findings
    return {(finding.path, finding.line, finding.code) for finding in findings}


def report(judged: list[tuple[Label, bool]]) -> None:
    """Print a table, then what is missing and what should not be there."""
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for label, found in judged:
        row = rows[label.rule]
        first = 0 if label.verdict == "bad" else 2
        row[first] += found
        row[first + 1] += 1
    for rule, (hit, bad, alarms, fine) in sorted(rows.items()):
        print(f"{rule}  found {hit:3}/{bad:<3}  false alarms {alarms}/{fine}")
    total = [sum(row[i] for row in rows.values()) for i in range(4)]
    print(f"all    found {total[0]}/{total[1]}  false alarms {total[2]}/{total[3]}")
    for label, found in judged:
        if found != (label.verdict == "bad"):
            wrong = "MISSED" if label.verdict == "bad" else "ALARM "
            print(f"{wrong} {label.rule} {label.repo}/{label.path}:{label.line} {label.why}")


def extract(repo: str, commit: str, mirrors: Path, corpus: Path) -> None:
    """Write the sources of a commit below the corpus, unless they are there."""
    name = repo.replace("/", "+")
    target, git = corpus / name, mirrors / name / "repo"
    if (target / ".complete").exists():
        return
    listing = subprocess.run(
        ["git", "-C", git, "ls-tree", "-r", commit], capture_output=True, check=True
    ).stdout
    for row in listing.decode(errors="replace").splitlines():
        about, path = row.split("\t", 1)
        mode, kind, blob = about.split()
        if kind == "blob" and mode != "120000" and path.endswith(WANTED):
            shown = subprocess.run(
                ["git", "-C", git, "cat-file", "blob", blob], capture_output=True, check=False
            )
            if shown.returncode == 0:
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                (target / path).write_bytes(shown.stdout)
    (target / ".complete").touch()


if __name__ == "__main__":
    sys.exit(main())
