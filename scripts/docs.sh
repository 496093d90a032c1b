#!/usr/bin/env bash
# Builds the site into docs/_build/html, warnings being errors. Tutorials are run;
# NO_TUTORIALS=1 shows their code alone. Arguments are handed to sphinx.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/install.sh test docs
mode=${NO_TUTORIALS:+off}
echo "building the site${mode:+ without running its tutorials} …"
JAX_PLATFORMS=cpu .venv/bin/python -m sphinx -W --keep-going -q -b html \
  -D nb_execution_mode="${mode:-force}" "$@" docs docs/_build/html
echo "site: $(pwd)/docs/_build/html/index.html"
