"""Checkpoints that were not made here: released files, other people's folders.

A recipe's own model comes first, if it has the arrays and settings: it computes
what the original does, where `transformers` deviates a little. Otherwise the
checkpoint's model is taken.
"""

import contextlib
import dataclasses
import pathlib
from typing import Any, TypeVar

import perceiver
from perceiver.checkpoints.huggingface import folder

_Experiment = TypeVar("_Experiment")


def load(
  path: pathlib.Path, wanted: Any
) -> tuple[perceiver.Model, perceiver.Variables]:
  """Reads a released file or a folder of `transformers`.

  Args:
    path: of it.
    wanted: name or configuration of the model that it may be.

  Returns:
    The wanted model if it is that one, else its own; and its variables.

  Raises:
    FileNotFoundError: if there is nothing at the path.
    perceiver.CheckpointError: if it is damaged, or of no known model.
  """
  try:
    return perceiver.load(path, wanted)
  except perceiver.CheckpointError as error:
    first = error
  try:
    return perceiver.load(path)
  except perceiver.CheckpointError:
    if path.is_dir():
      raise
    raise first from None  # A file does not name its model.


def with_model(
  experiment: _Experiment, found: Any, path: pathlib.Path | None
) -> _Experiment:
  """Returns an experiment with a folder's model, or its own if that is alike.

  Models are alike if they differ in the number of classes alone.

  Args:
    experiment: any.
    found: configuration of the folder's model.
    path: of the folder, for messages.

  Raises:
    perceiver.CheckpointError: if the experiment cannot have that model.
  """
  own: Any = experiment.model  # type: ignore[attr-defined]
  if type(own) is type(found):
    alike = own
    if hasattr(own, "with_num_classes"):
      alike = own.with_num_classes(found.num_classes)
    is_alike = alike.example() == found.example()
    if is_alike and not folder.differences(alike, found):
      return experiment
    with contextlib.suppress(ValueError):  # Its data are of another size.
      return dataclasses.replace(experiment, model=found)  # type: ignore[type-var]
  raise perceiver.CheckpointError(
    f"Checkpoint: {path} holds a {type(found).__name__} for {found.example()}; "
    f"expected a {type(own).__name__} for {own.example()}."
  )
