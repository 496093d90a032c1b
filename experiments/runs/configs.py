"""The configurations of runs, read by commands that compare them."""

import pathlib
from typing import Any

from experiments.data import files
from experiments.data import tables
from experiments.runs import folder as run_folder
from perceiver import config_json


def read(run: pathlib.Path, kind: type) -> Any:
  """Returns the configuration of a run.

  Args:
    run: its folder.
    kind: the class of the experiment's configurations.

  Raises:
    files.InputError: if it is the folder of no run, or of another experiment.
  """
  path = run / run_folder.CONFIG
  if not path.exists():
    raise files.InputError(
      f"{run} is not the folder of a run: {path} cannot be read."
    )
  try:
    return config_json.from_json(tables.read_text(path), kind)
  except (KeyError, TypeError, ValueError) as error:
    name = kind.__module__.removeprefix("experiments.").removesuffix(".configs")
    raise files.InputError(f"{run} is no run of {name}: {error}") from error
