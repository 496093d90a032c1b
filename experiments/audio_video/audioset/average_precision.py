"""Mean average precision, as in the second version of 2103.03206.

The numbers of its first version were wrong: the scores had been passed to
scikit-learn transposed (its appendix F). Axes are therefore checked here, and
the average is over classes, each of which ranks all clips.
"""

from typing import NamedTuple

import numpy as np


class AveragePrecisions(NamedTuple):
  """Average precisions of all classes.

  Attributes:
    by_class: in [0, 1]; not a number for classes without clips.
    prevalence: share of the clips that are of a class: the average precision
      of a random ranking.
  """

  by_class: np.ndarray  # [classes]
  prevalence: np.ndarray  # [classes]

  @property
  def evaluated(self) -> np.ndarray:  # [classes] bool
    """Returns a mask of the classes that have clips."""
    return self.prevalence > 0

  @property
  def mean(self) -> float:
    """Returns the mean over the classes that have clips."""
    return float(self.by_class[self.evaluated].mean())

  @property
  def chance(self) -> float:
    """Returns the mean average precision of a random ranking."""
    return float(self.prevalence[self.evaluated].mean())


def hit(
  labels: np.ndarray,  # [clips, classes], 0 or 1
  scores: np.ndarray,  # [clips, classes]
) -> float:
  """Returns the share of clips whose likeliest class is one of theirs."""
  best = scores.argmax(axis=1)
  return float(labels[np.arange(len(labels)), best].mean())


def of(
  labels: np.ndarray,  # [clips, classes], 0 or 1
  scores: np.ndarray,  # [clips, classes]
) -> AveragePrecisions:
  """Returns the average precision of every class.

  Clips of equal score share one rank, whatever their order.

  Raises:
    ValueError: if the shapes differ, a score is not finite, or no class is in
      any clip.
  """
  if labels.ndim != 2 or labels.shape != scores.shape:
    raise ValueError(
      f"Average precision: labels have shape {labels.shape} and scores "
      f"{scores.shape}; expected both to be [clips, classes]."
    )
  if not np.isfinite(scores).all() or not labels.any():
    raise ValueError(
      "Average precision: expected finite scores, and a clip with a label."
    )
  from sklearn import metrics

  prevalence = np.asarray(np.mean(labels, axis=0, dtype=np.float64))
  by_class = np.full(labels.shape[1], np.nan)
  for number in np.flatnonzero(prevalence):
    by_class[number] = metrics.average_precision_score(
      labels[:, number], scores[:, number]
    )
  return AveragePrecisions(by_class, prevalence)
