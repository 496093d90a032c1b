"""Files in the form of DeepMind's releases: pickled Haiku mappings.

Image classifiers were released as a mapping of `params` and `state`; Perceiver
AR as one that has `global_step` and `opt_state` too, which are left out; all
others as the bare parameters. All forms are read for any model.
"""

from collections.abc import Callable, Mapping
import os
import pathlib
import pickle
from typing import Any

import jax
import numpy as np

from perceiver import model as perceiver_model
from perceiver.checkpoints import atomic
from perceiver.checkpoints import check
from perceiver.checkpoints import errors
from perceiver.checkpoints.deepmind import names
from perceiver.checkpoints.deepmind import tables as deepmind_tables
from perceiver.checkpoints.pickle import reader
from perceiver.models import imagenet
from perceiver.models import registry

# The models whose weights were published.
RELEASED = (
  "imagenet_conv",
  "imagenet_fourier",
  "imagenet_learned",
  "language_bytes",
  "optical_flow",
  "video_autoencoding",
)
_PROTOCOL = 4
_COLLECTIONS = ("params", "state")
_LEFT_OUT = ("global_step", "opt_state")  # of Perceiver AR's


def read(path: str | os.PathLike[str]) -> perceiver_model.Variables:
  """Returns the arrays of a released file under their released names.

  Nothing in the file is executed; see `pickle`.

  Raises:
    FileNotFoundError: if there is no such file.
    CheckpointError: if the file is damaged or holds anything but arrays.
  """
  found = reader.read(path, without=_LEFT_OUT)
  if "params" in found and set(found) <= set(_COLLECTIONS):
    trees = [found.get(name, {}) for name in _COLLECTIONS]
  else:
    trees = [found, {}]
  for collection, tree in zip(_COLLECTIONS, trees):
    _check_tree(tree, collection, path)
  return perceiver_model.Variables(*trees)


def load(
  model: perceiver_model.Model, path: str | os.PathLike[str]
) -> perceiver_model.Variables:
  """Reads the variables of a known model.

  Raises:
    FileNotFoundError: if there is no such file.
    CheckpointError: if the file cannot be read, or holds another model.
    ValueError: if no model of this kind was released.
  """
  return from_theirs(model, read(path), source=str(path))


def identify(
  path: str | os.PathLike[str],
) -> tuple[perceiver_model.Model, perceiver_model.Variables]:
  """Reads a file as that of the six released models whose arrays it has.

  Raises:
    FileNotFoundError: if there is no such file.
    CheckpointError: if the file cannot be read, or is of none of them.
  """
  theirs = read(path)
  found = {name: array.shape for name, array in check.flatten(theirs).items()}
  for name in RELEASED:
    model = registry.create(name)
    wanted = check.flatten(shapes(model))
    if found == {name: array.shape for name, array in wanted.items()}:
      return model, from_theirs(model, theirs, source=str(path))
  raise errors.CheckpointError(
    f"Checkpoint: {path} has {len(found)} arrays, which are not those of "
    f"{', '.join(RELEASED)}; expected the model's name or config as well."
  )


def save(
  path: str | os.PathLike[str],
  model: perceiver_model.Model,
  variables: perceiver_model.Variables,
) -> None:
  """Writes variables in the form that the model was released in, atomically.

  Reading the file takes Python and NumPy: mappings are dicts.

  Raises:
    ValueError: if the variables do not fit the model, or no model of this kind
      was released.
  """
  check.fits(model, variables, source="the variables to save")
  params, state = to_theirs(model, variables)
  content: Mapping[str, Any] = params
  if isinstance(model.config, imagenet.ImageClassifierConfig):
    content = {"params": params, "state": state}
  with atomic.file(path) as temporary, open(temporary, "wb") as file:
    pickle.dump(content, file, protocol=_PROTOCOL)


def from_theirs(
  model: perceiver_model.Model, theirs: perceiver_model.Variables, source: str
) -> perceiver_model.Variables:
  """Returns released arrays under our names.

  Raises:
    CheckpointError: if they are not those of the model; `source` says what
      they were found in.
  """
  check.compare(
    check.flatten(shapes(model)), check.flatten(theirs), source=source
  )
  config = model.config
  variables = perceiver_model.Variables(
    names.to_ours(deepmind_tables.parameter_names(config), theirs.params),
    names.to_ours(deepmind_tables.state_names(config), theirs.state),
  )
  check.fits(model, variables, source=source)
  return variables


def to_theirs(
  model: perceiver_model.Model,
  variables: perceiver_model.Variables,
  fixed: Callable[[names.Fixed], np.ndarray] = lambda entry: entry.make(),
) -> perceiver_model.Variables:
  """Returns our arrays under the names of the release.

  Args:
    model: of a kind that was released.
    variables: of the model.
    fixed: gives arrays that are no parameters of ours.
  """
  table = deepmind_tables.parameter_names(model.config)
  return perceiver_model.Variables(
    names.to_theirs(table, variables.params, fixed),
    names.to_theirs(deepmind_tables.state_names(model.config), variables.state),
  )


def shapes(model: perceiver_model.Model) -> perceiver_model.Variables:
  """Returns shapes and dtypes of a model's release; makes no room for it."""

  def stand_in(leaf: Any) -> np.ndarray:
    return np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)

  return to_theirs(
    model,
    jax.tree.map(stand_in, model.shapes()),
    lambda entry: np.broadcast_to(np.zeros((), np.float32), entry.shape),
  )


def _check_tree(
  tree: Any, collection: str, path: str | os.PathLike[str]
) -> None:
  """Raises unless a tree is {module: {name: array}}."""
  problem = None
  if not isinstance(tree, Mapping):
    problem = f"{collection} is an array"
  elif wrong := [m for m, x in tree.items() if not isinstance(x, Mapping)]:
    problem = f"{collection}:{errors.cut(wrong[0])} is an array"
  else:
    for module, entries in tree.items():
      if any(isinstance(entry, Mapping) for entry in entries.values()):
        problem = f"{collection}:{errors.cut(module)} holds mappings"
        break
  if problem:
    raise errors.CheckpointError(
      f"Checkpoint: {pathlib.Path(path)} is not of a Haiku model: {problem}; "
      "expected arrays by module and name."
    )
