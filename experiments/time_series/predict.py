"""Uses a trained model of series on series of one's own.

  python -m experiments.predict series FILE.csv --checkpoint RUN
  python -m experiments.predict series FILE.csv --checkpoint RUN \
      --times 0.5 1.5 2.5

A file .csv has a line of names, then on every line a time and the values of all
channels, in any order of time and at any distances.
"""

import dataclasses
import math
import pathlib

import numpy as np
import tabulate
import tyro

from experiments.cli import errors
from experiments.cli import paths
from experiments.cli import predicting
from experiments.data import files
from experiments.data import tables
from experiments.time_series import ts_files
from perceiver.models import time_series


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictSeries:
  """Names the class of series, or gives their values at other times.

  The model must be one of times, not trained with `--data.positions index`.

  Attributes:
    series: files .csv, each of one series: a line of names, then lines of a
      time and the values of all channels.
    checkpoint: the folder of a run of time-series, or its model file.
    times: times to give values at, for a model that interpolates.
    top: number of classes in the output of a classifier.
  """

  series: tyro.conf.Positional[tuple[pathlib.Path, ...]]
  checkpoint: paths.Fetched
  times: tuple[float, ...] = ()
  top: int = 3


def run(options: PredictSeries) -> None:
  """Runs the command.

  Raises:
    errors.UsageError: if the command makes no sense.
    files.InputError: if a file cannot be used.
    FileNotFoundError: if there is no checkpoint.
  """
  kinds = time_series.SeriesClassifierConfig, time_series.SeriesRegressorConfig
  model, variables = predicting.load_trained(
    options.checkpoint, kinds, "time-series"
  )
  is_classifier = isinstance(model.config, time_series.SeriesClassifierConfig)
  if is_classifier == bool(options.times) or options.top < 1:
    raise errors.UsageError(
      "a classifier takes no --times, a model that interpolates takes some; "
      "--top is at least 1"
    )
  for path in options.series:
    origin, found = read(path, model.config.value_channels)
    examples = {"values": found.values[None], "times": found.times[None]}
    if is_classifier:
      logits = np.asarray(model.apply(variables, examples))[0]
      best = predicting.best_classes(logits, options.top, model.class_names)
      predicting.show(path, best)
      continue
    times = np.array(options.times)
    queries = (times - origin)[None].astype(np.float32)
    values = np.asarray(model.apply(variables, examples, queries))[0]
    names = [f"channel {i + 1}" for i in range(values.shape[1])]
    rows = np.concatenate([times[:, None], values], axis=1)
    print(f"{path}\n{tabulate.tabulate(rows, ['time', *names])}", flush=True)


def read(
  path: pathlib.Path, num_channels: int
) -> tuple[float, ts_files.Series]:
  """Returns the first time of a series, and the series from there, of a .csv.

  Args:
    path: the file.
    num_channels: channels of its values.

  Raises:
    files.InputError: if it is no such file; the message names the line.
  """
  rows = []
  for number, fields in tables.read_csv(path)[1:]:
    try:
      row = [float(text) for text in fields]
    except ValueError as error:
      raise files.InputError(f"{path}, line {number}: {error}") from None
    if len(row) != 1 + num_channels or not all(map(math.isfinite, row)):
      raise files.InputError(
        f"{path}, line {number}: {len(row)} numbers; expected a time and the "
        f"values of {num_channels} channels, all finite"
      )
    rows.append(row)
  if not rows:
    raise files.InputError(f"{path} has no line after the names")
  times, values = np.split(np.array(rows), [1], axis=1)
  # Differences of large times would be lost in 32 bits.
  origin = float(times.min())
  return origin, ts_files.Series(
    values.astype(np.float32), (times[:, 0] - origin).astype(np.float32), -1
  )
