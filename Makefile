# What a developer runs, and what CI runs. Needs Python 3.11 or newer, and nothing else.
#
#   make run     start the task app on http://127.0.0.1:8000 (DATABASE_URL, HOST, PORT, GUARD=1)
#   make test    run all tests on SQLite and PostgreSQL (ARGS="-k name" to choose)
#   make check   lint, format and types
#   make bench   race Fieldstone against other stacks (QUICK=1, ONLY="E1 sqlite asgi", STACKS="s1 s7 fieldstone")
#   make fuzz    send the task app ten times as many made-up requests as the tests do
#   make docs    run every code block of README.md and docs/
#   make lock    write the lock files anew from pyproject.toml
#   make clean   remove the environment and all caches

.PHONY: run test check bench fuzz docs lock clean help
.DEFAULT_GOAL := help
PY := .venv/bin/python

run:
	@sh tools/environment.sh run
	@$(PY) -m fieldstone.template

# Compiled once, and not by each of the hundreds of processes that the tests start.
test:
	@sh tools/environment.sh dev
	@$(PY) -m compileall -q src
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

# The type checkers take a minute or two from nothing, so both run at once.
check:
	@sh tools/environment.sh dev
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	@mkdir -p .mypy_cache; $(PY) -m pyright > .mypy_cache/pyright.txt 2>&1 & other=$$!; \
	echo "$(PY) -m mypy"; $(PY) -m mypy; mypy=$$?; \
	echo "$(PY) -m pyright"; wait $$other; pyright=$$?; cat .mypy_cache/pyright.txt; \
	exit $$((mypy + pyright))

bench:
	@sh tools/environment.sh bench
	@.venv-bench/bin/python -m benchmarks $(if $(QUICK),--quick) --only "$(ONLY)" --stacks "$(STACKS)" $(ARGS)

fuzz:
	@sh tools/environment.sh dev
	@FUZZ_CASES=550 $(PY) -m pytest -n auto --timeout 3600 tests/hostile/test_hostile_schema.py $(ARGS)

docs:
	@sh tools/environment.sh dev
	@$(PY) -m pytest tests/test_docs.py $(ARGS)

lock:
	@sh tools/environment.sh dev
	@sh tools/lock.sh

clean:
	rm -rf .venv .venv-bench .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

help:
	@sed -n 's/^#   //p' Makefile
