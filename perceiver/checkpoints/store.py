"""Our own checkpoints: one safetensors file with arrays and configuration.

The file holds numbers and text only, so reading it runs no code. The package
safetensors is imported where a file is touched: models do without it.
"""

from collections.abc import Mapping
import json
import os
import pathlib
import re
from typing import Any

import numpy as np

from perceiver import config_json
from perceiver import latent_sizes
from perceiver import model as perceiver_model
from perceiver.checkpoints import arrays_file
from perceiver.checkpoints import atomic
from perceiver.checkpoints import card as model_card
from perceiver.checkpoints import check
from perceiver.checkpoints import errors
from perceiver.checkpoints import migrate
from perceiver.models import registry

_FORMAT = "perceiver"
_VERSION = "1"
_CLASS_NAMES = "class_names"
_NAME = re.compile("(params|state):([^:]+):([^:]*)")


def save(
  path: str | os.PathLike[str],
  model: perceiver_model.Model,
  variables: perceiver_model.Variables,
  notes: Mapping[str, str] | None = None,
  *,
  half: bool = False,
  card: bool | str = False,
) -> None:
  """Writes a model's configuration and variables to one file, atomically.

  Args:
    path: the file; by custom it ends in ".safetensors".
    model: what the variables belong to; its `num_latents` and `class_names` are
      kept.
    variables: parameters and state.
    notes: short facts to keep with them, such as the step they are from.
    half: write float32 as float16, of which `load` makes float32 again: half
      the size, and 3 instead of 7 digits.
    card: whether to write a model card beside the file, with the suffix ".md";
      or Markdown for it, on data, use and limits.

  Raises:
    CheckpointError: if the variables do not fit the model, or float16 is not
      wide enough for them.
    WriteError: if a file cannot be written.
  """
  check.fits(model, variables, source="what is to be saved")
  arrays = {
    name: np.asarray(array, order="C")
    for name, array in check.flatten(variables).items()
  }
  if half:
    arrays = {name: _halved(name, array) for name, array in arrays.items()}
  metadata = {
    "format": _FORMAT,
    "version": _VERSION,
    "config": config_json.to_json(model.config, indent=None),
    "notes": json.dumps(dict(notes or {})),
  }
  if model.num_latents is not None:
    metadata["num_latents"] = str(model.num_latents)
  if model.class_names is not None:
    metadata[_CLASS_NAMES] = json.dumps(model.class_names)
  with atomic.file(path) as temporary:
    arrays_file.write(temporary, arrays, metadata)
  if card:
    prose = card if isinstance(card, str) else ""
    model_card.write(path, model, notes or {}, prose)


def load(
  path: str | os.PathLike[str], kind: type | None = None
) -> tuple[perceiver_model.Model, perceiver_model.Variables]:
  """Reads a file written by `save`; the file names its model.

  Args:
    path: the file.
    kind: a configuration that it may hold besides the library's own.

  Raises:
    FileNotFoundError: if there is no such file.
    CheckpointError: if the file is damaged, or not one of ours.
  """
  metadata, arrays = _read(pathlib.Path(path))
  try:
    written = metadata.get("config", "")
    text = migrate.upgrade_json(written)
    known = registry.ModelConfig
    expected = known if kind is None else known | kind
    config = config_json.from_json(text, expected)
  except ValueError as error:
    raise errors.CheckpointError(
      f"Checkpoint: {path} does not say what model it holds: {error}"
    ) from error
  model = perceiver_model.Model(
    config,
    num_latents=_num_latents(path, config, metadata.get("num_latents")),
    class_names=_class_names(path, config, metadata.get(_CLASS_NAMES)),
  )
  named = {}
  for key, array in arrays.items():
    if not (parts := _NAME.fullmatch(key)):
      raise errors.CheckpointError(
        f"Checkpoint: {path} has an array {key!r}; expected names such as "
        "'params:module:name'."
      )
    module = parts[2] if text == written else migrate.upgrade_module(parts[2])
    if array.dtype == np.float16:
      array = array.astype(np.float32)
    named[f"{parts[1]}:{module}:{parts[3]}"] = array
  variables = check.unflatten(named)
  try:
    check.fits(model, variables, source=str(path))
  except errors.CheckpointError:
    raise
  except Exception as error:  # Values that no check of theirs refuses.
    raise errors.CheckpointError(
      f"Checkpoint: {path} holds a model that cannot be built: {error}"
    ) from error
  return model, variables


def _halved(name: str, array: np.ndarray) -> np.ndarray:
  """Returns float32 as float16, and anything else as it is."""
  if array.dtype != np.float32:
    return array
  most = np.max(np.abs(array), initial=0, where=np.isfinite(array))
  if most > np.finfo(np.float16).max:
    raise errors.CheckpointError(
      f"Checkpoint: {name} has a number of size {most:.4g}; expected at most "
      "65504, the greatest of float16."
    )
  return array.astype(np.float16)


def _num_latents(path: Any, config: Any, text: str | None) -> int | None:
  """Returns the number of latents that a file states, None for all."""
  if text is None:
    return None
  try:
    latent_sizes.with_first(config, int(text))
  except ValueError as error:
    raise errors.CheckpointError(
      f"Checkpoint: {path} states {errors.shorten(text)} latents: {error}"
    ) from error
  return int(text)


def _class_names(
  path: Any, config: Any, text: str | None
) -> tuple[str, ...] | None:
  """Returns the names of classes that a file states, None if there are none."""
  if text is None:
    return None
  try:
    found = json.loads(text)
  except (RecursionError, ValueError):
    found = None
  count = getattr(config, "num_classes", None)
  if (
    not isinstance(found, list)
    or not all(isinstance(x, str) for x in found)
    or count not in (None, len(found))
  ):
    number = "" if count is None else f"{count} "
    raise errors.CheckpointError(
      f"Checkpoint: {path} has class names {errors.shorten(text)}; expected a "
      f"list of {number}texts."
    )
  return tuple(found)


def notes(path: str | os.PathLike[str]) -> dict[str, str]:
  """Returns the notes that were saved with a model."""
  text = _read(pathlib.Path(path))[0].get("notes", "{}")
  try:
    found = json.loads(text)
  except (RecursionError, ValueError) as error:
    raise errors.CheckpointError(
      f"Checkpoint: the notes in {path} are not JSON: {error}"
    ) from error
  if not isinstance(found, dict):
    raise errors.CheckpointError(
      f"Checkpoint: the notes in {path} are {errors.shorten(text)}; expected "
      "an object"
    )
  return {str(name): str(note) for name, note in found.items()}


def is_ours(path: pathlib.Path) -> bool:
  """Returns whether a file is a safetensors file written by `save`."""
  return _metadata(path).get("format") == _FORMAT


def class_names(path: pathlib.Path) -> tuple[str, ...] | None:
  """Returns the names of classes that a file states; reads no array of it.

  They are None if there are none, or no file of ours.

  Raises:
    CheckpointError: if they are no list of texts.
  """
  return _class_names(path, None, _metadata(path).get(_CLASS_NAMES))


def _metadata(path: pathlib.Path) -> dict[str, str]:
  """Returns the metadata of a safetensors file; none of any other file."""
  import safetensors

  try:
    with safetensors.safe_open(path, "numpy") as file:
      return file.metadata() or {}
  except (OSError, safetensors.SafetensorError):
    return {}


def _read(path: pathlib.Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
  metadata, arrays = arrays_file.read(
    path,
    "one written by perceiver.save, such as the model.safetensors of a run",
  )
  if (metadata.get("format"), metadata.get("version")) != (_FORMAT, _VERSION):
    raise errors.CheckpointError(
      f"Checkpoint: {path} is a safetensors file of format "
      f"{metadata.get('format')!r}, version {metadata.get('version')!r}; "
      f"expected {_FORMAT!r}, version {_VERSION!r}."
    )
  return metadata, arrays
