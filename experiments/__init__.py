"""Commands, wings and service rooms."""

from importlib import util
import sys

# Modules of the extra "train" of setup.py.
_NEEDED = (
  "array_record",
  "grain",
  "importlib_resources",
  "matplotlib",
  "optax",
  "orbax",
  "PIL",
  "png",
  "scipy",
  "sklearn",
  "tabulate",
  "tensorboardX",
  "tensorflow_datasets",
  "tqdm",
  "tyro",
)

_IS_COMMAND = sys.argv[0] == "-m"  # the path of its file comes later

if _missing := [name for name in _NEEDED if util.find_spec(name) is None]:
  _text = (
    f'experiments need {", ".join(_missing)}: install the extra "train", '
    "`pip install -e '.[train]'` in this project's folder, or, where "
    "scripts/install.sh did, `source .venv/bin/activate`"
  )
  if _IS_COMMAND:
    sys.exit(f"error: {_text}")
  raise ImportError(_text)

# Python imports this before a command, whose own imports take seconds, and half
# a minute from a slow disk.
if _IS_COMMAND:
  from experiments.cluster import signals

  signals.end_at_once()
  if sys.stderr and sys.stderr.isatty():
    print("loading …", file=sys.stderr, flush=True)
