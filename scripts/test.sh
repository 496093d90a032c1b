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

code=5  # pytest's for no tests, which is none if the other part has some
tests() {
  local own=0
  .venv/bin/python -m pytest -q -n "${PYTEST_WORKERS:-2}" --dist loadfile "$@" ||
    own=$?
  [ $own = 5 ] || [[ $code != [05] ]] || code=$own
}
tests -m optimized "$@"
# Most of the time goes to XLA, which compiles for the CPU. This halves it.
export XLA_FLAGS="${XLA_FLAGS:-} --xla_backend_optimization_level=0"
XLA_FLAGS+=" --xla_cpu_use_fusion_emitters=false"
tests -m "not optimized" "$@"
exit $code
