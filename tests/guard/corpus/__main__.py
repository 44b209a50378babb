"""Runs the corpus on the SQLAlchemy that is imported, and prints what is wrong with it as JSON."""

import json
import sys

import sqlalchemy

from tests.guard.corpus import awaiting, loading, serving, transactions
from tests.guard.corpus.cases import CASES
from tests.guard.corpus.running import Bench, mistakes

__all__ = ["awaiting", "loading", "serving", "transactions"]


def main(urls: list[str]) -> None:
    wrong = []
    for url in urls:
        bench = Bench(url)
        for case in CASES:
            try:
                wrong += mistakes(case, bench.run(case))
            except AssertionError as error:
                wrong.append(str(error))
        bench.close()
    print(json.dumps({"version": sqlalchemy.__version__, "cases": len(CASES), "wrong": wrong}))


main(sys.argv[1:])
