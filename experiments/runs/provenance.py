"""Provenance of a run: code, versions, devices, seed and data.

`provenance.json` in the run's folder has an entry for every start.
"""

from collections.abc import Mapping, Sequence
import datetime
import hashlib
import importlib.metadata
import json
import pathlib
import platform
import subprocess
import sys
from typing import Any

import numpy as np

from experiments.data import files
from experiments.data import loader

NAME = "provenance.json"
_PACKAGES = (
  "dm-haiku",
  "grain",
  "jax",
  "jaxlib",
  "numpy",
  "optax",
  "orbax-checkpoint",
)
# Examples that stand for a whole split.
_SAMPLES = 4


def record(
  workdir: pathlib.Path,
  experiment: Any,
  *,
  devices: Mapping[str, Any],
  first_step: int,
  splits: Sequence[loader.Split],
  changes: Mapping[str, Sequence[Any]] | None = None,
) -> list[str]:
  """Records the start of this part of the run.

  Args:
    workdir: the run's folder.
    experiment: the recipe.
    devices: the devices in words.
    first_step: steps made before.
    splits: the data.
    changes: {setting: (value before, value from this start on)}.

  Returns:
    The names of splits whose examples are not those of the run's first part.
  """
  starts = read(workdir)
  data = {split.name: _describe(split) for split in splits}
  starts.append(
    {
      "time": datetime.datetime.now(datetime.UTC).isoformat("T", "seconds"),
      "first_step": first_step,
      "experiment": type(experiment).__module__,
      "seed": experiment.train.seed,
      "command": sys.argv,
      "devices": dict(devices),
      "changes": {name: list(pair) for name, pair in (changes or {}).items()},
      "data": data,
      "git": git_state(),
      "python": platform.python_version(),
      "versions": {p: importlib.metadata.version(p) for p in _PACKAGES},
    }
  )
  files.write_text(workdir / NAME, json.dumps(starts, indent=2) + "\n")
  before = starts[0].get("data", {})
  return [name for name in data if before.get(name, data[name]) != data[name]]


def read(workdir: pathlib.Path) -> list[dict[str, Any]]:
  """Returns the starts of a run, none if there is no record of them."""
  try:
    found = json.loads((workdir / NAME).read_bytes())
  except (OSError, RecursionError, ValueError):
    return []
  entries = found if isinstance(found, list) else []
  return [entry for entry in entries if isinstance(entry, dict)]


def describe_move(workdir: pathlib.Path, devices: Mapping[str, Any]) -> str:
  """Returns a warning if a run's last part had devices of another kind, or "".

  Args:
    workdir: the run's folder.
    devices: those of now, in words.
  """
  starts = read(workdir)
  before = starts[-1].get("devices") if starts else None
  then = before.get("kind") if isinstance(before, dict) else None
  if then in (None, devices["kind"]):
    return ""
  return (
    f"warning: the run was computed on {then}, and goes on with "
    f"{devices['kind']}; numbers agree up to rounding, the speed may not"
  )


def _describe(split: loader.Split) -> dict[str, Any]:
  """Returns a split's size, and a checksum of a few of its examples."""
  size = len(split.source)
  checksum = hashlib.sha256()
  for index in sorted(
    {i * (size - 1) // (_SAMPLES - 1) for i in range(_SAMPLES)}
  ):
    example = split.transform(split.source[index], np.random.default_rng(0))
    for name, value in sorted(example.items()):
      array = np.asarray(value)
      checksum.update(f"{name} {array.dtype} {array.shape}".encode())
      checksum.update(array.tobytes())
  return {"examples": size, "digest": checksum.hexdigest()[:16]}


def git_state() -> dict[str, Any] | None:
  """Returns the code's commit, None where it is not under version control."""
  folder = pathlib.Path(__file__).parent

  def git(*words: str) -> str:
    return subprocess.run(
      ["git", *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()

  try:
    changed = bool(git("status", "--porcelain", "--untracked-files=no"))
    return {"commit": git("rev-parse", "HEAD"), "changed": changed}
  except (OSError, subprocess.CalledProcessError):
    return None
