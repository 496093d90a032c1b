"""Plots of models of series."""

from collections.abc import Callable
import pathlib
from typing import Any

import numpy as np

from experiments.data import loader
from experiments.runs import plots
from experiments.time_series import data as series_data

CURVE = [plots.Panel("loss"), plots.Panel("top_1")]
ERROR_CURVE = [plots.Panel("loss")]
_NUM_SERIES = 4
_NUM_TIMES = 200
_CHANNELS = 2  # of a series that are shown


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
  examples = series_data.examples(found)
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
