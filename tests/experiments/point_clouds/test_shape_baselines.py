"""Classifiers of scikit-learn on clouds of points."""

import numpy as np

from experiments import evaluate
from experiments.point_clouds import shape_baselines
from experiments.point_clouds.files import hdf5_files
from tests.helpers import commands


def test_distances_do_not_change_with_rotation():
  generator = np.random.default_rng(0)
  points = generator.uniform(-0.5, 0.5, (200, 3))
  rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
  found = shape_baselines.distances(points)
  np.testing.assert_allclose(found.sum(), 1)
  np.testing.assert_array_equal(shape_baselines.distances(points[::-1]), found)
  rotated = shape_baselines.distances(points @ rotation)
  np.testing.assert_allclose(rotated, found, atol=1e-4)  # at edges of bins
  assert np.abs(shape_baselines.distances(points / 2) - found).max() > 0.01


def test_distances_of_corners():
  corners = np.array([[-1, -1, -1], [1, 1, 1], [1, 1, -1]], np.float32)
  found = shape_baselines.distances(corners) * 3
  assert found[-1] == 1  # the cube's diagonal
  assert found[int(2 / np.sqrt(12) * 64)] == 1  # an edge
  assert found.sum() == 3


def test_occupancy_counts_points_of_cells():
  points = np.array([[-1, -1, -1], [1, 1, 1], [0.99, 0.99, 0.99], [0, 0, 0]])
  found = shape_baselines.occupancy(points)
  assert found.shape == (512,)
  assert found[0] == 0.25
  assert found[-1] == 0.5
  assert found[4 * 64 + 4 * 8 + 4] == 0.25


def test_all_are_fitted_and_evaluated(tmp_path, capsys):
  generator = np.random.default_rng(0)
  for part, count in (("train", 30), ("test", 12)):
    points = generator.uniform(-1, 1, (count, 1024, 3)).astype(np.float32)
    labels = np.arange(count) % 3
    points[labels == 1, :, 0] *= 0.1  # plates
    points[labels == 2, :, 1:] *= 0.1  # rods
    hdf5_files.write(tmp_path / f"{part}.h5", points, labels)
  out = commands.command(
    capsys, evaluate.main, "shape-baselines", tmp_path, code=0
  )
  rows = [row.split("|")[1:4] for row in out.splitlines()[2:]]
  assert [row[0].strip() for row in rows] == ["SVM", "random forest"] * 2
  assert {float(row[2]) for row in rows} == {100.0}
