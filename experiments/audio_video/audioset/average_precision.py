"""Mean average precision, as in the second version of 2103.03206.

The numbers of its first version were wrong: the scores had been handed to
scikit-learn transposed (its appendix F). Axes are therefore checked here, and
the average is over classes: each asks which of all clips it is in.
"""

from typing import NamedTuple

import numpy as np
from sklearn import metrics


class AveragePrecisions(NamedTuple):
  """How well clips are ranked, class by class.

  Attributes:
    by_class: in [0, 1]; not a number for classes that are in no clip.
    prevalence: the part of the clips that a class is in, which is what a
      ranking without any knowledge reaches.
  """

  by_class: np.ndarray  # [classes]
  prevalence: np.ndarray  # [classes]

  @property
  def judged(self) -> np.ndarray:  # [classes] bool
    """Returns which classes are in some clip."""
    return self.prevalence > 0

  @property
  def mean(self) -> float:
    """Returns the mean over the classes that are in some clip."""
    return float(self.by_class[self.judged].mean())

  @property
  def chance(self) -> float:
    """Returns the mean of what a ranking without any knowledge reaches."""
    return float(self.prevalence[self.judged].mean())


def of(
  labels: np.ndarray,  # [clips, classes], 0 or 1
  scores: np.ndarray,  # [clips, classes]
) -> AveragePrecisions:
  """Returns how well scores tell the clips of a class from the others.

  Clips of equal score stand at one place of the ranking, whatever their order.

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
  prevalence = np.asarray(np.mean(labels, axis=0, dtype=np.float64))
  by_class = np.full(labels.shape[1], np.nan)
  for number in np.flatnonzero(prevalence):
    by_class[number] = metrics.average_precision_score(
      labels[:, number], scores[:, number]
    )
  return AveragePrecisions(by_class, prevalence)
