#!/usr/bin/env bash
# Installs what tests need, then lints, checks types, builds the site, which runs
# the tutorials, and runs all tests. Arguments are handed to pytest, such as -k
# attention; the site is left out then.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/install.sh test docs

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
[ $# -gt 0 ] || scripts/docs.sh
.venv/bin/python -m pytest -q "$@"
