#!/usr/bin/env bash
# Creates .venv beside this project and installs the library there, with what
# its experiments need and the extras given as arguments. Does nothing if all of
# that was installed at once before and setup.py is unchanged.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-python3}
"$python" - <<'CHECK' || { echo "perceiver needs Python 3.11 or newer; set PYTHON to one" >&2; exit 1; }
import sys
sys.exit(sys.version_info < (3, 11))
CHECK

[ -x .venv/bin/python ] || "$python" -m venv .venv
installed() {
  local stamp extra
  for stamp in .venv/installed-*; do
    [ setup.py -nt "$stamp" ] && continue
    for extra in "$@"; do
      [[ ,${stamp#*-}, == *,"$extra",* ]] || continue 2
    done
    return 0
  done
  return 1
}
if ! installed train "$@"; then
  echo "installing into .venv …"
  # The distribution's name until version 0.1; it would expose experiments/.
  .venv/bin/python -m pip uninstall --quiet --yes perceiver 2> /dev/null || true
  extras=$(IFS=,; echo "train${*:+,$*}")
  .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --editable ".[$extras]"
  touch ".venv/installed-$extras"
fi
