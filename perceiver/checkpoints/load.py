"""Loading of a checkpoint of any kind, which its content decides."""

import dataclasses
import os
import pathlib
from typing import Any
import warnings

from perceiver import config_json
from perceiver import model as perceiver_model
from perceiver.checkpoints import check
from perceiver.checkpoints import store
from perceiver.checkpoints.deepmind import files
from perceiver.checkpoints.huggingface import folder
from perceiver.checkpoints.pickle import reader
from perceiver.models import registry

_RUN_MODEL = "model.safetensors"  # in the folder of a training run


def load(
  path: str | os.PathLike[str], name_or_config: str | Any | None = None
) -> tuple[perceiver_model.Model, perceiver_model.Variables]:
  """Reads a model and its variables.

  The order `load(name_or_config, path)` is deprecated.

  Args:
    path: a file written by `save`, the folder of a finished training run, a
      file of DeepMind's releases, or a folder of `transformers`, recognised by
      its content. Nothing in it is executed.
    name_or_config: as for `create`: the model that it must be. Without it, a
      file of DeepMind's, which does not name its model, must be one of the six
      released ones.

  Raises:
    FileNotFoundError: if there is nothing at the path.
    CheckpointError: if the checkpoint is damaged, of no known model, or of
      another one than it must be.
  """
  if name_or_config is not None and _is_model(path, name_or_config):
    warnings.warn(
      "perceiver.load(name_or_config, path) is deprecated; expected "
      "perceiver.load(path, name_or_config).",
      DeprecationWarning,
      stacklevel=2,
    )
    path, name_or_config = name_or_config, path
  wanted = None if name_or_config is None else registry.create(name_or_config)
  path = pathlib.Path(path)
  if path.is_dir() and store.is_ours(path / _RUN_MODEL):
    path /= _RUN_MODEL
  is_pickle = path.is_file() and reader.is_pickle(path)
  if wanted is None:
    if path.is_dir():
      return folder.read(path)
    return files.identify(path) if is_pickle else store.load(path)
  if path.is_dir():
    names = folder.class_names(path, wanted.config)
    wanted = dataclasses.replace(wanted, class_names=names)
    return wanted, folder.load(wanted, path)
  if is_pickle:
    return wanted, files.load(wanted, path)
  model, variables = store.load(path, type(wanted.config))
  different = config_json.differences(wanted.config, model.config)
  check.no_differences(
    different,
    f"{path} holds another model: its",
    "; perceiver.load(path) accepts any model",
  )
  return model, variables


def restore(
  path: str | os.PathLike[str], kind: type | None = None
) -> tuple[perceiver_model.Model, perceiver_model.Variables]:
  """Reads a file written by `save`; deprecated, use `load(path)`."""
  warnings.warn(
    "perceiver.restore(path) is deprecated; expected perceiver.load(path).",
    DeprecationWarning,
    stacklevel=2,
  )
  return store.load(path, kind)


def _is_model(first: Any, second: Any) -> bool:
  """Returns whether the first of two arguments is a name or a configuration.

  A file may have the name of a model.
  """
  if isinstance(first, str) and isinstance(second, str | os.PathLike):
    misspelt = (
      not pathlib.Path(first).exists() and pathlib.Path(second).exists()
    )
    return first in registry.CONFIGS or misspelt
  if isinstance(first, str):
    return False
  return hasattr(first, "network")
