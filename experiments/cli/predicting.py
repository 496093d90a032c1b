"""Parts of the predict commands: the model, progress and likely classes."""

from collections.abc import Callable, Sequence
import dataclasses
import pathlib
import sys
from typing import Any

import jax
import numpy as np

from experiments.cli import errors
from experiments.cli import paths
from experiments.data import files
from experiments.data import tables
from experiments.runs import folder as run_folder
from experiments.runs import progress as runs_progress
from experiments.training import foreign
import perceiver
from perceiver.checkpoints import store


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
  """The model that predicts.

  Attributes:
    model: name of the published model that the checkpoint must be; any that
      the command can use if None. Random weights are the main model's then.
    checkpoint: the folder of a finished run or the model file in it, a
      released file, or a folder of `transformers`.
    random_weights: predict with an untrained model, to try the command out.
    seed: of the random weights, and of random samples.
  """

  model: str | None = None
  checkpoint: paths.Fetched | None = None
  random_weights: bool = False
  seed: int = 0


def load(
  weights: Weights, kind: type, default: str
) -> tuple[perceiver.Model, perceiver.Variables]:
  """Loads the model that the command line asks for.

  Args:
    weights: the command line's choice.
    kind: the configuration class that the command can use.
    default: name of the command's main model.

  Raises:
    errors.UsageError: if the choice makes no sense.
    files.InputError: if the checkpoint cannot be used.
    FileNotFoundError: if there is no checkpoint.
  """
  if weights.random_weights == (weights.checkpoint is not None):
    raise errors.UsageError(
      "give --checkpoint PATH, or --random-weights to try the command without "
      "one; not both"
    )
  name = weights.model or default
  if name not in perceiver.list_models():
    raise errors.UsageError(_unknown_model(name))
  if weights.checkpoint is None:
    model = perceiver.create(name)
    _check_kind(model, kind, name)
    say(
      f"{name} with random weights (seed {weights.seed}): it was never "
      "trained, and what it predicts means nothing"
    )
    return model, model.init(jax.random.key(weights.seed))
  path = weights.checkpoint
  if not path.exists():
    hint = files.similar(path)
    raise FileNotFoundError(f"There is no checkpoint {path}.{hint}")
  try:
    if weights.model is None and not is_ours(path):
      model, variables = foreign.load(path, default)
    else:
      model, variables = perceiver.load(path, weights.model)
  except (OSError, ValueError) as error:
    raise files.InputError(str(error)) from error
  _check_kind(model, kind, str(path))
  return model, variables


def load_trained(
  path: pathlib.Path, kinds: tuple[type, ...], experiment: str
) -> tuple[perceiver.Model, perceiver.Variables]:
  """Loads a model of an experiment that has no published one.

  Args:
    path: the folder of a run or a model file.
    kinds: the configuration classes of its models.
    experiment: its name on the command line.

  Raises:
    errors.UsageError: if it is another model.
    FileNotFoundError: if there is no such file.
  """
  if not path.exists():
    hint = files.similar(path)
    raise FileNotFoundError(f"There is no checkpoint {path}.{hint}")
  model, variables = perceiver.load(path)
  if not isinstance(model.config, kinds):
    raise errors.UsageError(
      f"{path} is a {type(model.config).__name__}; expected a model of "
      f"{experiment}"
    )
  return model, variables


def is_ours(path: pathlib.Path) -> bool:
  """Returns whether a checkpoint is a model file of ours, or a run with one."""
  return store.is_ours(path) or store.is_ours(path / run_folder.MODEL)


def _unknown_model(name: str) -> str:
  try:
    perceiver.create(name)
  except ValueError as error:
    return str(error)
  raise AssertionError(name)


def _check_kind(model: perceiver.Model, kind: type, source: str) -> None:
  if not isinstance(model.config, kind):
    raise errors.UsageError(
      f"{source} is a model of kind {type(model.config).__name__}; this "
      f"command needs a model of kind {kind.__name__}"
    )


def say(text: str) -> None:
  """Shows a line on standard error."""
  print(text, file=sys.stderr, flush=True)


def progress(name: str, total: int) -> Callable[[int], None]:
  """Returns a function that shows how many of `total` are done."""
  show = runs_progress.counter(name)
  return lambda done: show(done, total)


def read_labels(
  path: pathlib.Path | None, num_classes: int
) -> tuple[str, ...] | None:
  """Reads names of classes, one per line; None if there is no file.

  Raises:
    files.InputError: if there are not as many as classes.
  """
  if path is None:
    return None
  names = tables.read_text(path).rstrip("\n").split("\n")
  if len(names) != num_classes:
    raise files.InputError(
      f"{path} has {len(names)} lines; expected {num_classes}, one name for "
      "each of the model's classes, in their order."
    )
  return tuple(names)


def best_classes(
  logits: np.ndarray, top: int, names: Sequence[str] | None
) -> list[dict[str, Any]]:
  """Returns the likeliest classes, the first first, for logits [classes].

  A class is {"class": number, "name": its name, if there are names,
  "probability": after a softmax over all classes}.
  """
  if not np.all(np.isfinite(logits)):
    raise files.InputError(
      "the model's output is not finite; is the checkpoint in order?"
    )
  exponentials = np.exp(logits.astype(np.float64) - logits.max())
  probabilities = exponentials / exponentials.sum()
  order = np.argsort(-probabilities, kind="stable")[:top]
  return [
    {
      "class": int(i),
      **({} if names is None else {"name": names[i]}),
      "probability": float(probabilities[i]),
    }
    for i in order
  ]


def describe(guess: dict[str, Any]) -> str:
  """Returns one of the likeliest classes as a line of text."""
  name = guess.get("name", f"class {guess['class']}")
  return f"  {100 * guess['probability']:5.1f} %  {name}"
