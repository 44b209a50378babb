"""Race the stacks: see README.md beside this file.

python -m benchmarks [--only "E1 sqlite asgi"] [--stacks "s1 s7 fieldstone"] [--quick] [--seconds 2]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.printing import show
from benchmarks.race import Pace
from benchmarks.report import publish, results_of
from benchmarks.results import RESULTS, Results
from benchmarks.running import LEVELS, PLACES, Choice, Run
from benchmarks.stacks import STACKS
from benchmarks.workload import WORKS, Size

SECONDS = 0.35
QUICK = 0.03


def main() -> None:
    arguments = parsed()
    run = Run(chosen(arguments))
    cells = []
    for some in run.races():
        show(some)
        cells += some
    results = results_of(cells, run.titles)
    if not (arguments.only or arguments.stacks or arguments.quick):
        publish(results)
    elif arguments.write:
        publish(results.into(Results.read(RESULTS)) if RESULTS.exists() else results)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--only", default="", help='works, places and levels: "E1 E3 sqlite asgi"')
    parser.add_argument("--stacks", default="", help='stacks, or how their names begin: "s1 s7 fieldstone"')
    parser.add_argument("--quick", action="store_true", help="about two minutes instead of twelve")
    parser.add_argument("--seconds", type=float, help="how long each stack is timed in each race")
    parser.add_argument(
        "--write", action="store_true", help="publish also what is not a full run, in place of its races"
    )
    return parser.parse_args()


def chosen(arguments: argparse.Namespace) -> Choice:
    """Read which works, places, levels and stacks are meant; all of a kind where none is named."""
    words = set(arguments.only.split())
    if unknown := words - {*WORKS, *PLACES, *LEVELS}:
        known = ", ".join((*WORKS, *PLACES, *LEVELS))
        raise SystemExit(f"Not known: {', '.join(sorted(unknown))}. Known are: {known}.")

    def of(names: Sequence[str]) -> list[str]:
        return [name for name in names if name in words] or list(names)

    seconds = arguments.seconds or (QUICK if arguments.quick else SECONDS)
    pace = Pace(seconds, rounds=2 if arguments.quick else 3)
    return Choice(of([*WORKS]), of(PLACES), of(LEVELS), stacks_of(arguments.stacks), pace, Size())


def stacks_of(words: str) -> list[str]:
    """Choose stacks by their names, or by what those begin with; `module:Class` is one of your own."""
    found: dict[str, None] = {}
    for word in words.split():
        some = [name for name in STACKS if name == word or name.startswith(f"{word}-")]
        found |= dict.fromkeys(some or [word])
    return list(found or STACKS)


if __name__ == "__main__":
    main()
