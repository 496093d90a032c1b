#!/usr/bin/env bash
# Installs what tests need, then lints, checks types and runs all tests.
# Arguments are handed to pytest, such as -k attention.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/install.sh test

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/python -m pytest -q "$@"
