"""Models of series by the share of the values that are left out.

  python -m experiments.evaluate irregular-series RUN RUN ...

Classifiers stand beside a logistic regression on series that are brought to one
grid by linear interpolation, and models that interpolate beside linear
interpolation itself.
"""

import dataclasses
import pathlib

import numpy as np
from sklearn import linear_model
from sklearn import pipeline
from sklearn import preprocessing
import tabulate
import tyro

from experiments.data import files
from experiments.data import loader
from experiments.runs import configs as runs_configs
from experiments.time_series import configs
from experiments.time_series import data as series_data
from experiments.time_series import ts_files
import perceiver
from perceiver import bounds
from perceiver.models import time_series

_GRID = 12  # values of a series, for the regression
_COPIES = 8  # of every training series, each with other values left out
_BATCH = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class IrregularConfig:
  """Evaluates runs of time_series by the share of values that are left out.

  Attributes:
    runs: folders of finished runs, all of classifiers or all of interpolation.
    shares: of the values that are left out of each series.
  """

  runs: tyro.conf.Positional[tuple[pathlib.Path, ...]]
  shares: tuple[float, ...] = (0.25, 0.5, 0.75)

  def __post_init__(self) -> None:
    bounds.check_ranges(self, shares="[0, 1)")


def run(config: IrregularConfig) -> None:
  """Prints the table.

  Raises:
    files.InputError: if a run cannot be used, or runs do not go together.
  """
  experiments = [
    runs_configs.read(path, configs.Experiment) for path in config.runs
  ]
  kinds = {_interpolates(each) for each in experiments}
  if len(kinds) != 1:
    raise files.InputError(
      "the runs are of classifiers and of interpolation; expected one kind"
    )
  rows = [
    (
      each.data.positions.value,
      each.train.seed,
      *(evaluate(path, each, share) for share in config.shares),
    )
    for path, each in zip(config.runs, experiments)
  ]
  first = experiments[0]
  name, baseline = "regression", classified_by_regression
  if _interpolates(first):
    name, baseline = "linear", interpolated_linearly
  found = [baseline(first, share) for share in config.shares]
  print(table(config.shares, [*sorted(rows), (name, "", *found)], first))


def table(
  shares: tuple[float, ...],
  rows: list[tuple],
  experiment: configs.Experiment,
) -> str:
  """Returns rows of positions, seed and one number for each share."""
  what = "root mean square error, deviations of the channel"
  if not _interpolates(experiment):
    what = "accuracy, %"
  headers = [f"{100 * share:g} % left out" for share in shares]
  text = tabulate.tabulate(
    rows,
    ("positions", "seed", *headers),
    tablefmt="pipe",
    floatfmt=".3f" if _interpolates(experiment) else ".1f",
  )
  return f"{what}\n{text}"


def evaluate(
  run_path: pathlib.Path, experiment: configs.Experiment, share: float
) -> float:
  """Returns the accuracy of a run's model, in %, or its error.

  Args:
    run_path: folder of the run.
    experiment: of the run.
    share: of the values that are left out.
  """
  model, variables = perceiver.load(run_path)
  total = count = 0.0
  for batch in loader.eval_batches(
    _split(experiment, share), batch_size=_BATCH
  ):
    examples = series_data.examples(batch)
    mask, real = batch["mask"], batch["weight"] > 0
    if not _interpolates(experiment):
      found = np.asarray(model.apply(variables, examples, mask=mask))
      total += np.sum(found.argmax(axis=-1)[real] == batch["labels"][real])
      count += np.sum(real)
      continue
    found = model.apply(variables, examples, batch["queries"], mask=mask)
    errors = _errors(model.config, np.asarray(found) - batch["targets"])
    asked = batch["query_mask"] & real[:, None]
    total, count = total + np.sum(errors[asked]), count + np.sum(asked)
  mean = total / max(count, 1)
  return float(np.sqrt(mean) if _interpolates(experiment) else 100 * mean)


def interpolated_linearly(
  experiment: configs.Experiment, share: float
) -> float:
  """Returns the error of linear interpolation by the times of values."""
  squares = []
  for kept in _kept(experiment, share):
    found = _at(kept, kept.left_out_positions)
    squares.append(_errors(experiment.model, found - kept.left_out))
  return float(np.sqrt(np.mean(np.concatenate(squares))))


def classified_by_regression(
  experiment: configs.Experiment, share: float
) -> float:
  """Returns the accuracy of a logistic regression on a common grid, in %."""
  train, test = _sets(experiment)
  generator = np.random.default_rng(0)
  time = series_data.Positions.TIME
  x, y = [], []
  for each in train.series * _COPIES:
    out = generator.uniform(0, experiment.data.left_out)
    x.append(_gridded(series_data.leave_out(each, out, time, generator)))
    y.append(each.label)
  model = pipeline.make_pipeline(
    preprocessing.StandardScaler(),
    linear_model.LogisticRegression(max_iter=2000),
  )
  model.fit(np.stack(x), y)
  found = model.predict(
    np.stack([_gridded(kept) for kept in _kept(experiment, share)])
  )
  labels = np.array([each.label for each in test.series])
  return 100 * float(np.mean(found == labels))


def _gridded(kept: series_data.Kept) -> np.ndarray:  # [_GRID · C]
  times = np.linspace(kept.positions.min(), kept.positions.max(), _GRID)
  return _at(kept, times).reshape(-1)


def _at(kept: series_data.Kept, times: np.ndarray) -> np.ndarray:  # [T, C]
  order = np.argsort(kept.positions)
  known = kept.positions[order]
  columns = [np.interp(times, known, x[order]) for x in kept.values.T]
  return np.stack(columns, axis=-1)


def _errors(
  config: configs.Model, differences: np.ndarray
) -> np.ndarray:  # [..., C] -> [...]
  stddev = np.asarray(config.stddev or 1.0, np.float32)
  return np.mean(np.square(differences / stddev), axis=-1)


def _sets(
  experiment: configs.Experiment,
) -> tuple[ts_files.SeriesSet, ts_files.SeriesSet]:
  return series_data.sets(experiment.data, experiment.model.value_channels)


def _split(experiment: configs.Experiment, share: float) -> loader.Split:
  data = dataclasses.replace(experiment.data, evaluated_left_out=share)
  return dataclasses.replace(experiment, data=data).task().eval_split()


def _kept(
  experiment: configs.Experiment, share: float
) -> list[series_data.Kept]:
  """Returns the evaluation series with the values that a model gets."""
  time = series_data.Positions.TIME
  _, test = _sets(experiment)
  return [
    series_data.leave_out(each, share, time, np.random.default_rng(index))
    for index, each in enumerate(test.series)
  ]


def _interpolates(experiment: configs.Experiment) -> bool:
  return isinstance(experiment.model, time_series.SeriesRegressorConfig)
