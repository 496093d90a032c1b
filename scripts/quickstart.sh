#!/usr/bin/env bash
# From nothing to a trained and evaluated Perceiver: installs into .venv, trains
# on handwritten digits, evaluates the saved checkpoint.
# Options are handed to the training, such as --train.seed 1; each choice of them
# has a folder of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/install.sh
options=${*/#--/}
run=runs/quickstart${options:+-${options//[^A-Za-z0-9.]/-}}

echo
echo "== training on 1,437 handwritten digits =="
.venv/bin/python -m experiments.train digits --workdir "$run" "$@"

echo
echo "== evaluating the saved checkpoint on 360 held-out digits =="
.venv/bin/python -m experiments.evaluate digits \
  --checkpoint "$run/model.safetensors"
echo
echo "plots: $(pwd)/$run/figures"
