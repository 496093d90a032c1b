"""Loading a checkpoint of whatever kind, told apart by its content."""

import dataclasses
import os
import pathlib
from typing import Any

from perceiver import config_json
from perceiver.checkpoints import store
from perceiver.models import model as model_lib
from perceiver.models import registry


def load(
  name_or_config: str | Any, path: str | os.PathLike[str]
) -> tuple[model_lib.Model, model_lib.Variables]:
  """Reads the variables of a known model.

  Args:
    name_or_config: as for `create`; the checkpoint must be of this model.
    path: a file written by `save`.

  Returns:
    The model and its variables.

  Raises:
    FileNotFoundError: if there is nothing at the path.
    ValueError: if the file is damaged or holds another model.
  """
  expected = registry.create(name_or_config)
  model, variables = store.restore(pathlib.Path(path))
  different = config_json.differences(expected.config, model.config)
  if different:
    field, (want, have) = next(iter(different.items()))
    raise ValueError(
      f"Checkpoint: {path} holds another model: its {field or 'config'} is "
      f"{_show(have)}; expected {_show(want)}. Differences in all: "
      f"{len(different)}; perceiver.restore(path) reads it as what it is."
    )
  return model, variables


def _show(value: Any) -> str:
  """Returns a value, or of a configuration the kind, in which two differ."""
  whole = dataclasses.is_dataclass(value)
  return type(value).__name__ if whole else repr(value)
