"""Classifiers of scikit-learn on clouds of points, for comparison.

python -m experiments.evaluate shape-baselines DIR
"""

from collections.abc import Callable
import dataclasses
import pathlib

import numpy as np
from scipy.spatial import distance  # type: ignore[import-untyped]
from sklearn import ensemble
from sklearn import model_selection
from sklearn import pipeline
from sklearn import preprocessing
from sklearn import svm
import tabulate
import tyro

from experiments.point_clouds.files import clouds
from experiments.point_clouds.files import datasets
from experiments.point_clouds.files import hdf5_files

_NUM_POINTS = 1024
_NUM_BINS = 64  # of distances
_GRID = 8  # cells along an axis
_FOLDS = 5
_STRENGTHS = (0.1, 1.0, 10.0, 100.0)  # of C

Describe = Callable[[np.ndarray], np.ndarray]  # [P, 3] -> [values]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaselinesConfig:
  """Fits an SVM and a random forest to averages of each cloud.

  They are given a histogram of distances, which no rotation changes, or the
  share of the points in the cells of a grid. C is chosen by cross-validation on
  the training clouds.

  Attributes:
    folder: of HDF5 files, such as `prepare components` writes.
  """

  folder: tyro.conf.Positional[pathlib.Path]


def distances(points: np.ndarray) -> np.ndarray:  # [P, 3] -> [64] float64
  """Returns the histogram of the distances between all pairs of points.

  It is the descriptor D2 (Osada et al., 2002), of a cloud in [-1, 1]³. Shares
  of the pairs add up to 1.
  """
  found = distance.pdist(points)
  counts, _ = np.histogram(found, _NUM_BINS, range=(0, 2 * np.sqrt(3)))
  return counts / len(found)


def occupancy(points: np.ndarray) -> np.ndarray:  # [P, 3] -> [512] float64
  """Returns the share of the points in each cell of a grid over [-1, 1]³."""
  counts, _ = np.histogramdd(points, (_GRID,) * 3, range=((-1, 1),) * 3)
  return counts.reshape(-1) / len(points)


def run(config: BaselinesConfig) -> None:
  """Runs the command `evaluate shape-baselines`.

  Raises:
    files.InputError: if a file cannot be used.
  """
  names = hdf5_files.class_names(config.folder)
  train, test = (
    hdf5_files.open_others(
      datasets.ModelNet40(data_dir=config.folder, split=split),
      _NUM_POINTS,
      len(names),
    )
    for split in (datasets.Split.TRAIN, datasets.Split.TEST)
  )
  folds = model_selection.StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
  scaled = pipeline.make_pipeline(preprocessing.StandardScaler(), svm.SVC())
  describe: dict[str, Describe] = {
    "distances": distances,
    "occupancy": occupancy,
  }
  rows = []
  for name, of_cloud in describe.items():
    values, others = (
      np.stack(
        [
          of_cloud(clouds.scale_to_cube(clouds.centre(points)))
          for points in part.points
        ]
      )
      for part in (train, test)
    )
    for method, classifier in (
      (
        "SVM",
        model_selection.GridSearchCV(scaled, {"svc__C": _STRENGTHS}, cv=folds),
      ),
      (
        "random forest",
        ensemble.RandomForestClassifier(n_estimators=500, random_state=0),
      ),
    ):
      right = classifier.fit(values, train.labels).predict(others)
      accuracy = 100 * np.mean(right == test.labels)
      rows.append([method, name, f"{accuracy:.1f}"])
  headers = ("classifier", "inputs", "accuracy, %")
  print(
    tabulate.tabulate(rows, headers, tablefmt="pipe", disable_numparse=True)
  )
