#!/usr/bin/env bash
# Installs what tests need, then lints, checks types, builds the site, which runs
# the tutorials, and runs all tests. Arguments are handed to pytest, such as -k
# attention; the site is left out then. Files of tests go to two processes, each
# of which takes up to 5 GB; PYTEST_WORKERS is another number of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/install.sh test docs

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
[ $# -gt 0 ] || scripts/docs.sh
.venv/bin/python -m pytest -q -n "${PYTEST_WORKERS:-2}" --dist loadfile "$@"
