"""TF-IDF and linear models on the same split, for comparison.

python -m experiments.evaluate sentence-baselines DIR
"""

import dataclasses
import pathlib
from typing import NamedTuple

import numpy as np
from sklearn import linear_model
from sklearn.feature_extraction import text
import tabulate
import tyro

from experiments.language.glue import glue_tasks
from experiments.language.glue import scores
from experiments.language.glue import tsv

_HALF = glue_tasks.MAX_DEGREE / 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaselinesConfig:
  """Fits TF-IDF with linear models to rated sentences, and evaluates them.

  Attributes:
    folder: of the tables, from `prepare sentences`.
  """

  folder: tyro.conf.Positional[pathlib.Path]


class Found(NamedTuple):
  """The numbers of one set."""

  majority: float  # share of the commoner sign
  accuracy: float  # of logistic regression
  pearson: float  # of ridge regression


def evaluate(folder: pathlib.Path, name: str) -> Found:
  """Fits words and pairs of words of one set, and evaluates the held-out part.

  Args:
    folder: of the tables.
    name: of the set.

  Raises:
    files.InputError: if a table cannot be used.
  """
  task = glue_tasks.RATED[name]
  train, dev = (
    tsv.read(task, folder / task.folder / f"{part}.tsv", is_test=False).examples
    for part in ("train", "dev")
  )
  words = text.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
  x = words.fit_transform([example.texts[0] for example in train])
  x_dev = words.transform([example.texts[0] for example in dev])
  y, y_dev = (np.array([e.label for e in part]) for part in (train, dev))
  classifier = linear_model.LogisticRegression(C=10.0, max_iter=1000)
  signs = classifier.fit(x, y > _HALF).predict(x_dev)
  degrees = linear_model.Ridge(alpha=1.0).fit(x, y).predict(x_dev)
  positive = float(np.mean(y_dev > _HALF))
  return Found(
    majority=max(positive, 1 - positive),
    accuracy=float(np.mean(signs == (y_dev > _HALF))),
    pearson=scores.METRICS["pearson"](y_dev, degrees),
  )


def run(config: BaselinesConfig) -> None:
  """Runs the command `evaluate sentence-baselines`.

  Raises:
    files.InputError: if a table cannot be used.
  """
  rows = []
  for name in glue_tasks.RATED:
    found = evaluate(config.folder, name)
    percent = [f"{100 * x:.1f}" for x in found[:2]]
    rows.append([name, *percent, f"{found.pearson:.3f}"])
  headers = ("set", "majority, %", "TF-IDF accuracy, %", "Pearson")
  print(
    tabulate.tabulate(rows, headers, tablefmt="pipe", disable_numparse=True)
  )
