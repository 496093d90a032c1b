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
tests() {
  .venv/bin/python -m pytest -q -n "${PYTEST_WORKERS:-2}" --dist loadfile "$@"
}
if [ $# -gt 0 ]; then
  tests "$@"
  exit
fi
# The site is built beside the first tests, which takes less time than in turn. It
# is a group of processes, all of which end with this script.
site_log=$(mktemp)
set -m
scripts/docs.sh > "$site_log" 2>&1 &
site=$!
set +m
trap 'kill -- "-$site" 2> /dev/null || true; rm -f "$site_log"' EXIT
code=0
# Modules that hold programs against others very closely are compiled as users'
# programs are. All else is compiled quickly, for most of the time is XLA's.
tests $(grep -rl --include='test_*.py' 'mark\.optimized' tests) || code=$?
wait "$site" || code=$?
trap - EXIT
cat "$site_log"
rm "$site_log"
export XLA_FLAGS="${XLA_FLAGS:-} --xla_backend_optimization_level=0"
XLA_FLAGS+=" --xla_cpu_use_fusion_emitters=false"
tests -m "not optimized" || code=$?
exit $code
