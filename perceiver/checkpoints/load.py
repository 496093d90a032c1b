"""Loading a checkpoint of whatever kind, told apart by its content."""

import os
import pathlib
from typing import Any

from perceiver import config_json
from perceiver import model as perceiver_model
from perceiver.checkpoints import errors
from perceiver.checkpoints import store
from perceiver.checkpoints.deepmind import files
from perceiver.checkpoints.huggingface import folder
from perceiver.checkpoints.pickle import reader
from perceiver.models import registry


def load(
  name_or_config: str | Any, path: str | os.PathLike[str]
) -> tuple[perceiver_model.Model, perceiver_model.Variables]:
  """Reads the variables of a known model.

  Args:
    name_or_config: as for `create`; the checkpoint must be of this model.
    path: a file written by `save`, a file of DeepMind's releases, or a folder
      of `transformers`. Which of them it is is found out; no file is executed.

  Returns:
    The model and its variables.

  Raises:
    FileNotFoundError: if there is nothing at the path.
    CheckpointError: if the checkpoint is damaged or holds another model.
  """
  expected = registry.create(name_or_config)
  path = pathlib.Path(path)
  if path.is_dir():
    return expected, folder.load(expected, path)
  if path.is_file() and reader.is_pickle(path):
    return expected, files.load(expected, path)
  model, variables = store.restore(path, type(expected.config))
  different = config_json.differences(expected.config, model.config)
  if different:
    field, (want, have) = next(iter(different.items()))
    raise errors.CheckpointError(
      f"Checkpoint: {path} holds another model: its {field or 'config'} is "
      f"{errors.show(have)}; expected {errors.show(want)}. Differences in all: "
      f"{len(different)}; perceiver.restore(path) reads it as what it is."
    )
  return model, variables


def load_any(
  path: str | os.PathLike[str],
) -> tuple[perceiver_model.Model, perceiver_model.Variables]:
  """Reads a checkpoint as the model that it says, or looks like.

  A file of DeepMind's does not say what it holds; it is compared with the six
  released models.

  Raises:
    FileNotFoundError: if there is nothing at the path.
    CheckpointError: if the checkpoint is damaged, or of no known model.
  """
  path = pathlib.Path(path)
  if path.is_dir():
    return folder.read(path)
  if path.is_file() and reader.is_pickle(path):
    return files.identify(path)
  return store.restore(path)
