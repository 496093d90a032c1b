"""Classes and what they were taken for: counts, and their plot."""

from collections.abc import Callable, Mapping, Sequence
import pathlib

import jax
import numpy as np

from experiments.data import loader
from experiments.runs import plots

Predict = Callable[[Mapping[str, np.ndarray]], jax.Array]

_BATCH = 64


def count(
  predict: Predict, split: loader.Split, num_classes: int
) -> np.ndarray:  # [classes, classes]
  """Counts examples by their class, the row, and what they were taken for.

  Args:
    predict: batches of the split to logits [B, classes].
    split: evaluation examples, which have "labels".
    num_classes: number of classes.
  """
  counts = np.zeros((num_classes, num_classes), int)
  for batch in loader.eval_batches(split, batch_size=_BATCH):
    guesses = np.asarray(predict(batch)).argmax(axis=-1)
    real = batch["weight"] > 0
    np.add.at(counts, (batch["labels"][real], guesses[real]), 1)
  return counts


def plot(
  counts: np.ndarray,  # [classes, classes]
  names: Sequence[str],
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots which classes were taken for which, each row adding up to one.

  Args:
    counts: from `count`.
    names: of the classes.
    path: of the file.
  """
  shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
  side = 2.5 + 0.24 * len(names)
  figure, axis = plots.pyplot().subplots(figsize=(side + 0.8, side))
  shown = axis.imshow(shares, cmap="magma", vmin=0, vmax=1)
  figure.colorbar(shown, ax=axis, fraction=0.045, label="share of the class")
  ticks = range(len(names))
  axis.set_xticks(ticks, names, rotation=90, fontsize=7)
  axis.set_yticks(ticks, names, fontsize=7)
  right, total = int(np.trace(counts)), int(counts.sum())
  axis.set(xlabel="taken for", ylabel="class")
  axis.set_title(f"{right} of {total} recognised")
  text = (
    "Examples of the evaluation split by their class, a row each, and the "
    "class that they were taken for: on the diagonal the right ones"
  )
  return plots.save(figure, path, text)
