"""Plots of models of series."""

from collections.abc import Callable, Sequence
import pathlib
from typing import Any

import numpy as np

from experiments.data import loader
from experiments.runs import plots

CURVE = [plots.Panel("loss"), plots.Panel("top_1")]
ERROR_CURVE = [plots.Panel("loss")]
_BATCH = 64
_NUM_SERIES = 4
_NUM_TIMES = 200
_CHANNELS = 2  # of a series that are shown


def confusion(
  predict: Callable[..., Any],
  split: loader.Split,
  names: Sequence[str],
  path: pathlib.Path,
) -> pathlib.Path:
  """Plots which classes were taken for which, each row adding up to one.

  Args:
    predict: the model, {"values", "times"} and `mask` -> logits.
    split: evaluation examples.
    names: of the classes.
    path: of the file.
  """
  counts = np.zeros((len(names),) * 2, int)
  for batch in loader.eval_batches(split, batch_size=_BATCH):
    examples = {name: batch[name] for name in ("values", "times")}
    logits = np.asarray(predict(examples, mask=batch["mask"]))
    real = batch["weight"] > 0
    guesses = logits.argmax(axis=-1)
    np.add.at(counts, (batch["labels"][real], guesses[real]), 1)
  shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
  side = 3 + 0.3 * len(names)
  figure, axis = plots.pyplot().subplots(figsize=(side + 0.8, side))
  shown = axis.imshow(shares, cmap="magma", vmin=0, vmax=1)
  figure.colorbar(shown, ax=axis, fraction=0.045, label="share of the class")
  axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
  axis.set_yticks(range(len(names)), names, fontsize=7)
  axis.set(xlabel="taken for", ylabel="class")
  axis.set_title(f"{np.trace(counts)} of {counts.sum()} recognised")
  text = (
    "Series of the evaluation split by their class, a row each, and the class "
    "that they were taken for: on the diagonal the right ones"
  )
  return plots.save(figure, path, text)


def interpolated(
  predict: Callable[..., Any], split: loader.Split, path: pathlib.Path
) -> pathlib.Path:
  """Plots series, what was left out of them, and what a model gives between.

  Args:
    predict: the model, {"values", "times"}, times [B, O] and `mask` -> values.
    split: evaluation examples.
    path: of the file.
  """
  found = loader.stacked(split, min(_NUM_SERIES, len(split.source)))
  masks = found["mask"], found["query_mask"]
  joined = np.concatenate([found["times"], found["queries"]], axis=1)
  known = np.concatenate(masks, axis=1)
  first = joined.min(axis=1, where=known, initial=np.inf)
  last = joined.max(axis=1, where=known, initial=-np.inf)
  times = np.linspace(first, last, _NUM_TIMES, axis=1).astype(np.float32)
  examples = {name: found[name] for name in ("values", "times")}
  curves = np.asarray(predict(examples, times, mask=found["mask"]))
  count = len(times)
  figure, axes = plots.pyplot().subplots(
    1, count, figsize=(2.6 * count, 2.6), squeeze=False, sharey=True
  )
  figure.set_layout_engine("constrained")
  for i, axis in enumerate(axes[0]):
    for channel in range(min(_CHANNELS, curves.shape[-1])):
      colour = f"C{channel}"
      label = f"channel {channel + 1}"
      axis.plot(times[i], curves[i, :, channel], colour, label=label)
      seen, asked = (mask[i] for mask in masks)
      values, targets = found["values"][i], found["targets"][i]
      axis.plot(found["times"][i][seen], values[seen, channel], f"{colour}o")
      axis.plot(
        found["queries"][i][asked],
        targets[asked, channel],
        f"{colour}o",
        fillstyle="none",
      )
    axis.set_xlabel("time, steps")
  axes[0, 0].set_ylabel("value")
  axes[0, 0].legend(fontsize=7)
  text = (
    f"{count} series of the evaluation split: values that the model gets "
    "(filled), values that were left out (hollow), and what the model gives at "
    "any time (lines)"
  )
  return plots.save(figure, path, text)
