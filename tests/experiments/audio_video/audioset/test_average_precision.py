"""Mean average precision against literals and its definition."""

import numpy as np
import pytest
from sklearn import metrics

from experiments.audio_video.audioset import average_precision


def test_a_literal_ranking():
  scores = np.float32([[0.9], [0.8], [0.7], [0.6]])
  labels = np.float32([[1], [0], [1], [0]])
  found = average_precision.of(labels, scores)
  # Half of the positives at precision 1/1, the other half at 2/3.
  np.testing.assert_allclose(found.by_class, [0.5 * 1 + 0.5 * 2 / 3])
  np.testing.assert_allclose(found.prevalence, [0.5])


def test_ties_share_one_rank():
  labels = np.float32([[1], [0], [0], [1]])
  for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]):
    found = average_precision.of(labels[order], np.zeros((4, 1)))
    np.testing.assert_allclose(found.by_class, [0.5])  # the prevalence
  scores = np.float32([[0.5], [0.9], [0.5], [0.5]])
  found = average_precision.of(labels, scores)
  # One rank with both positives, at the end of four clips.
  np.testing.assert_allclose(found.by_class, [2 / 4])


def definition(labels, scores):
  """Returns the sum over thresholds of precision × gain of recall."""
  total, recall = 0.0, 0.0
  for threshold in sorted(set(scores), reverse=True):
    chosen = scores >= threshold
    now = labels[chosen].sum() / labels.sum()
    total += (now - recall) * labels[chosen].mean()
    recall = now
  return total


def test_random_scores_with_ties_agree_with_the_definition():
  generator = np.random.default_rng(0)
  labels = generator.random((50, 7)) < 0.3
  scores = generator.integers(0, 12, (50, 7)) / 12
  found = average_precision.of(labels, scores)
  expected = [definition(labels[:, c], scores[:, c]) for c in range(7)]
  np.testing.assert_allclose(found.by_class, expected)
  macro = metrics.average_precision_score(labels, scores, average="macro")
  np.testing.assert_allclose(found.mean, macro)


def test_the_axes_are_clips_and_classes():
  """Transposed, scores are of another shape, or of another meaning."""
  generator = np.random.default_rng(1)
  labels, scores = generator.random((6, 4)) < 0.5, generator.random((6, 4))
  with pytest.raises(ValueError, match=r"\(6, 4\) and scores \(4, 6\)"):
    average_precision.of(labels, scores.T)
  by_clip = average_precision.of(labels.T, scores.T)
  assert by_clip.by_class.shape == (6,)
  assert not np.isclose(by_clip.mean, average_precision.of(labels, scores).mean)


def test_classes_without_clips_are_left_out_and_counted():
  labels = np.float32([[1, 0, 1], [0, 0, 1], [1, 0, 0]])
  scores = np.float32([[0.9, 0.9, 0.9], [0.1, 0.5, 0.8], [0.8, 0.1, 0.1]])
  found = average_precision.of(labels, scores)
  np.testing.assert_array_equal(found.by_class, [1, np.nan, 1])
  np.testing.assert_array_equal(found.evaluated, [True, False, True])
  assert found.mean == 1
  np.testing.assert_allclose(found.chance, 2 / 3)


def test_impossible_rankings_are_refused():
  labels = np.float32([[1, 0], [0, 1]])
  with pytest.raises(ValueError, match="finite scores"):
    average_precision.of(labels, np.float32([[1, np.nan], [0, 0]]))
  with pytest.raises(ValueError, match="a clip with a label"):
    average_precision.of(np.zeros((2, 2)), np.zeros((2, 2)))


def test_hits_are_clips_whose_likeliest_class_is_theirs():
  labels = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 1]])
  scores = np.array([[0.3, 0.2, 0.1], [0.1, 0.2, 0.5], [0.9, 0.1, 0.8]])
  assert average_precision.hit(labels, scores) == 2 / 3
