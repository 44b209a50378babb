#!/bin/sh
# Write the lock files from pyproject.toml: every version and hash, for all platforms, and no
# address of a registry. `--upgrade` as argument takes the newest versions.
set -eu
cd "$(dirname "$0")/.."

.venv/bin/python -c 'import uv' 2>/dev/null || .venv/bin/python -m pip install --quiet uv

compile() {
    output=$1
    shift
    echo "$output"
    .venv/bin/python -m uv pip compile --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-header --output-file "$output" "$@"
}

compile requirements/run.txt pyproject.toml --extra sqlite --extra postgres --extra fastapi --extra template --group build "$@"
compile requirements/dev.txt pyproject.toml --all-extras --group dev --constraint requirements/run.txt "$@"
compile requirements/server.txt --group server "$@"
compile requirements/sqlalchemy20.txt --group sqlalchemy20 "$@"
