#!/usr/bin/env bash
# Creates .venv beside this project and installs the library there, with what
# its experiments need and the extras given as arguments. Does nothing if that
# was done and setup.py is unchanged.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-python3}
"$python" - <<'CHECK' || { echo "perceiver needs Python 3.11 or newer; set PYTHON to one" >&2; exit 1; }
import sys
sys.exit(sys.version_info < (3, 11))
CHECK

[ -x .venv/bin/python ] || "$python" -m venv .venv
extras=$(IFS=,; echo "train${*:+,$*}")
stamp=.venv/installed-$extras
if [ ! -e "$stamp" ] || [ setup.py -nt "$stamp" ]; then
  echo "installing into .venv …"
  # The distribution's name until version 0.1; it would expose experiments/.
  .venv/bin/python -m pip uninstall --quiet --yes perceiver 2> /dev/null || true
  .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --editable ".[$extras]"
  touch "$stamp"
fi
