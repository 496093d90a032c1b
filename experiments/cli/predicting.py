"""Parts of the predict commands: the model, progress and likely classes."""

from collections.abc import Callable, Iterable, Sequence
import dataclasses
import json
import pathlib
import sys
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from experiments.cli import errors
from experiments.cli import paths
from experiments.data import files
from experiments.data import tables
from experiments.runs import folder as run_folder
from experiments.runs import progress as runs_progress
from experiments.training import foreign
import perceiver
from perceiver.checkpoints import store

Guess = dict[str, Any]  # one of the likeliest classes, see `likeliest`


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifierOptions:
  """A classifier, and the form of its results.

  Attributes:
    labels: a file with the name of a class on every line; if None, the names
      that the checkpoint states, or numbers.
    top: number of classes in the output.
    output: a file for the results as JSON, one line per input.
  """

  weights: Annotated[Weights, tyro.conf.arg(name="")] = Weights()
  labels: pathlib.Path | None = None
  top: int = 5
  output: pathlib.Path | None = None


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


def class_names(
  labels: pathlib.Path | None, model: perceiver.Model
) -> tuple[str, ...] | None:
  """Returns the names in a file, see `read_labels`, or else the model's."""
  names = read_labels(labels, model.config.num_classes)
  return model.class_names if names is None else names


def best_classes(
  logits: np.ndarray, top: int, names: Sequence[str] | None
) -> list[Guess]:
  """Returns the likeliest classes, after a softmax of logits [classes].

  Raises:
    files.InputError: if a logit is not finite.
  """
  _check_finite(logits)
  exponentials = np.exp(logits.astype(np.float64) - logits.max())
  return likeliest(exponentials / exponentials.sum(), top, names)


def likeliest(
  probabilities: np.ndarray,  # [classes]
  top: int,
  names: Sequence[str] | None,
) -> list[Guess]:
  """Returns the likeliest classes, in falling order of their probabilities.

  A class is {"class": number, "name": its name, if there are names,
  "probability": its probability}.

  Raises:
    files.InputError: if a probability is not finite.
  """
  _check_finite(probabilities)
  order = np.argsort(-probabilities, kind="stable")[:top]
  return [
    {
      "class": int(i),
      **({} if names is None else {"name": names[i]}),
      "probability": float(probabilities[i]),
    }
    for i in order
  ]


def _check_finite(output: np.ndarray) -> None:
  if not np.all(np.isfinite(output)):
    raise files.InputError(
      "the model's output is not finite; is the checkpoint in order?"
    )


def report(
  kind: str,
  found: Iterable[tuple[object, list[Guess]]],
  output: pathlib.Path | None,
) -> None:
  """Prints the likeliest classes of every input, and writes them to a file.

  Args:
    kind: of the inputs, such as "image": their key in the file.
    found: inputs and their classes.
    output: the file, JSON with one line per input; None for none.
  """
  lines = []
  for source, best in found:
    show(source, best)
    row = {kind: str(source), "predictions": best}
    lines.append(json.dumps(row) + "\n")
  if output is not None:
    files.write_text(output, "".join(lines))


def show(source: object, best: list[Guess]) -> None:
  """Prints an input and its likeliest classes."""
  print("\n".join([str(source), *map(describe, best)]), flush=True)


def describe(guess: Guess) -> str:
  """Returns one of the likeliest classes as a line of text."""
  name = guess.get("name", f"class {guess['class']}")
  return f"  {100 * guess['probability']:5.1f} %  {name}"
