#!/usr/bin/env bash
# From nothing to a trained and evaluated Perceiver: installs into .venv, trains
# on handwritten digits, evaluates the saved checkpoint.
# Options are handed to the training, such as --train.seed 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/install.sh

echo
echo "== training on 1,437 handwritten digits =="
.venv/bin/python -m experiments.train digits --workdir runs/quickstart "$@"

echo
echo "== evaluating the saved checkpoint on 360 held-out digits =="
.venv/bin/python -m experiments.evaluate digits \
  --checkpoint runs/quickstart/model.safetensors
echo
echo "plots: $(pwd)/runs/quickstart/figures"
