"""Classifiers of scikit-learn on clips, for comparison.

python -m experiments.evaluate clip-baselines DIR
"""

from collections.abc import Callable
import dataclasses
import pathlib
from typing import Any

import numpy as np
from scipy import fft  # type: ignore[import-untyped]
from sklearn import linear_model
from sklearn import model_selection
from sklearn import pipeline
from sklearn import preprocessing
from sklearn import svm
import tabulate
import tyro

from experiments.audio_video.audioset import average_precision
from experiments.audio_video.audioset import spectrogram
from experiments.audio_video.clips import clips
from experiments.audio_video.clips import prepared
from experiments.audio_video.clips import sampling

_NUM_BANDS, _NUM_COEFFICIENTS = 40, 20
_HOPS_PER_SECOND = 100
_SIZE = (12, 12)  # of a picture, pixels
_FOLDS = 5
_STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)  # of C

Describe = Callable[[clips.Clip], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaselinesConfig:
  """Fits a logistic regression and an SVM to averages of each clip.

  Of audio they are given mean and deviation of its mel-frequency cepstral
  coefficients, and the mean of their changes; of a picture 12 × 12 pixels. C is
  chosen by cross-validation on the training clips. Clips have one label each.

  Attributes:
    folder: of the data set.
  """

  folder: tyro.conf.Positional[pathlib.Path]


def cepstrum(clip: clips.Clip) -> np.ndarray:  # [59] float64
  """Returns averages of a clip's cepstral coefficients.

  The mean of the first coefficient, the level of the recording, is left out.
  """
  hop = clip.sample_rate // _HOPS_PER_SECOND
  config = spectrogram.SpectrogramConfig(
    sample_rate=clip.sample_rate,
    hop=hop,
    window=4 * hop,
    num_bands=_NUM_BANDS,
    lowest=50.0,
    highest=min(20_000.0, clip.sample_rate / 2),
  )
  mono = clip.audio.mean(axis=1)  # [S]
  levels = spectrogram.log_mel(np.pad(mono, (0, -len(mono) % hop)), config)
  found = fft.dct(levels, norm="ortho", axis=1)[:, :_NUM_COEFFICIENTS]
  steps = np.abs(np.diff(found, axis=0, prepend=found[:1]))
  parts = (found.mean(axis=0)[1:], found.std(axis=0), steps.mean(axis=0))
  return np.concatenate(parts)


def pixels(clip: clips.Clip) -> np.ndarray:  # [432] float64
  """Returns a clip's first frame, small, with values in [0, 1]."""
  return sampling.centre_crop(clip.frames[:1], _SIZE).reshape(-1) / 255


def both(clip: clips.Clip) -> np.ndarray:  # [491] float64
  """Returns the values of audio and picture."""
  return np.concatenate([cepstrum(clip), pixels(clip)])


def fit(
  classifier: Any, train: tuple[np.ndarray, np.ndarray], rows: np.ndarray
) -> np.ndarray:  # [clips, classes]
  """Fits a classifier of standardised rows, and scores others.

  Args:
    classifier: of scikit-learn, with a C.
    train: rows [n, values] and labels [n].
    rows: [clips, values].
  """
  scaled = pipeline.make_pipeline(preprocessing.StandardScaler(), classifier)
  name = scaled.steps[-1][0]
  folds = model_selection.StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
  search = model_selection.GridSearchCV(
    scaled, {f"{name}__C": _STRENGTHS}, cv=folds
  )
  scores = np.asarray(search.fit(*train).decision_function(rows))
  # Of two classes it is the score of the second alone.
  return scores if scores.ndim == 2 else np.stack([-scores, scores], axis=1)


def run(config: BaselinesConfig) -> None:
  """Runs the command `evaluate clip-baselines`.

  Raises:
    FileNotFoundError: if there is no such data set.
    files.InputError: if it is not complete.
  """
  train, test = (
    [source[i] for i in range(len(source))]
    for source in (
      prepared.open_split(config.folder, part)
      for part in ("train", "validation")
    )
  )
  inputs: dict[str, Describe] = {"audio": cepstrum}
  if train[0].has_video:
    inputs |= {"picture": pixels, "both": both}
  labels, expected = (
    np.array([clip.labels[0] for clip in part]) for part in (train, test)
  )
  classes = np.unique(labels)
  truth = (expected[:, None] == classes).astype(np.float64)  # [clips, classes]
  rows = []
  for name, describe in inputs.items():
    values, others = (np.stack(list(map(describe, x))) for x in (train, test))
    for method, classifier in (
      ("logistic regression", linear_model.LogisticRegression(max_iter=2000)),
      ("SVM", svm.SVC()),
    ):
      scores = fit(classifier, (values, labels), others)
      found = average_precision.of(truth, scores).mean
      hit = average_precision.hit(truth, scores)
      rows.append([method, name, f"{100 * found:.1f}", f"{100 * hit:.1f}"])
  headers = ("classifier", "inputs", "mean average precision, %", "right, %")
  print(
    tabulate.tabulate(rows, headers, tablefmt="pipe", disable_numparse=True)
  )
