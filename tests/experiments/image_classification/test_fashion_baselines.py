"""Classifiers of scikit-learn on Fashion-MNIST's files."""

import numpy as np
import pytest

from experiments import evaluate
from experiments.image_classification.fashion_mnist import baselines
from tests.helpers import tiny_archives


def test_histograms_tell_orientations_apart():
  ramp = np.tile(np.arange(28, dtype=np.uint8) * 9, (28, 1))  # to the right
  images = np.stack([ramp, ramp.T, 9 * 27 - ramp, ramp // 3])
  found = baselines.gradient_histograms(images)
  assert found.dtype == np.float32
  size = 28 // baselines._CELL - 1
  assert found.shape == (4, size * size * 36)
  histograms = found.reshape(4, size * size * 4, 9)
  # A gradient to the right is at 0, one downwards at a half of a half turn.
  assert (histograms[0, :, 1:] < 1e-3).all()
  assert (histograms[1].argmax(axis=-1) == 4).all()
  np.testing.assert_allclose(found[2], found[0], atol=1e-3)  # half a turn
  np.testing.assert_allclose(found[3], found[0], atol=0.1)  # less contrast
  assert not baselines.gradient_histograms(np.zeros_like(images)).any()


def test_histograms_stay_within_their_cells():
  image = np.zeros((1, 28, 28), np.uint8)
  image[0, 2, 2] = 255
  found = baselines.gradient_histograms(image).reshape(-1, 36)
  assert found[0].any()
  assert not found[1:].any()


@pytest.mark.parametrize(("extra", "count"), [([], 12), (["--hold-out"], 5)])
def test_both_are_fitted_and_evaluated(extra, count, tmp_path, capsys):
  contents = tiny_archives.fashion_mnist(train=60, test=12)
  folder = tiny_archives.write(tmp_path / "set", contents)
  words = ["fashion-baselines", str(folder), "--num-train", "40", *extra]
  assert evaluate.main(words) == 0
  rows = capsys.readouterr().out.splitlines()
  assert len(rows) == 4
  assert [row.split("|")[1].split()[0] for row in rows[2:]] == [
    "multilayer",
    "gradient",
  ]
  shares = np.array([float(row.split("|")[2]) for row in rows[2:]])
  right = shares / 100 * count
  np.testing.assert_allclose(right, right.round(), atol=0.01)
