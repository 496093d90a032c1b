"""Transforms and sources of clouds."""

import dataclasses

import numpy as np
import pytest

from experiments.data import files
from experiments.point_clouds import data
from experiments.point_clouds.files import clouds
from experiments.point_clouds.synthetic import shapes

SYNTHETIC = data.DataConfig(
  source=data.Source(data.Dataset.SYNTHETIC),
  synthetic=shapes.SyntheticConfig(num_examples=30),
  num_eval=20,
)


@pytest.fixture
def cloud():
  generator = np.random.default_rng(0)
  points = generator.uniform((5, -1, 0), (9, 1, 1), (500, 3))
  return clouds.Cloud(points.astype(np.float32), 3)


def augmented(cloud, scaling, seed=0):
  return data.TrainTransform(scaling)(cloud, np.random.default_rng(seed))


def sorted_points(points):
  return points[np.argsort(points[:, 0])]


def test_centre():
  points = np.float32([[0, 0, 5], [2, 4, 5]])
  expected = [[-1, -2, 0], [1, 2, 0]]
  np.testing.assert_array_equal(clouds.centre(points), expected)
  far = np.full((3, 3), 1e6, np.float32)
  np.testing.assert_array_equal(clouds.centre(far), np.zeros((3, 3)))


def test_scale_to_cube():
  points = np.float32([[0.5, -4, 0], [-1, 2, 1]])
  expected = [[0.125, -1, 0], [-0.25, 0.5, 0.25]]
  np.testing.assert_array_equal(clouds.scale_to_cube(points), expected)
  np.testing.assert_array_equal(
    clouds.scale_to_cube(np.zeros((2, 3))), np.zeros((2, 3))
  )


def test_every_point_has_a_factor_of_its_own():
  points = np.tile(np.float32([1, 2, -3]), (2000, 1))
  found = clouds.scale_points(points, 0.01, np.random.default_rng(0))
  assert found.dtype == np.float32
  factors = found / points  # [P, 3]
  np.testing.assert_allclose(factors, factors[:, :1].repeat(3, 1), rtol=1e-6)
  assert 0.99 <= factors.min() < 0.9901
  assert 1.0099 < factors.max() <= 1.01
  assert abs(factors.mean() - 1) < 0.001
  assert len(np.unique(factors[:, 0])) > 1000


def test_every_axis_has_a_factor_of_its_own(cloud):
  points = np.tile(np.float32([1, 2, -3]), (50, 1))
  generator = np.random.default_rng(0)
  stretched = [clouds.stretch(points, 2.0, generator) for _ in range(500)]
  factors = np.stack(stretched) / points  # [500, P, 3]
  assert factors.dtype == np.float32
  np.testing.assert_array_equal(factors, factors[:, :1].repeat(50, 1))
  logarithms = np.log2(factors[:, 0])
  np.testing.assert_allclose(logarithms.mean(axis=0), 0, atol=0.1)
  assert -1 <= logarithms.min() < -0.98
  assert 0.98 < logarithms.max() <= 1
  assert np.abs(np.corrcoef(logarithms.T) - np.eye(3)).max() < 0.15
  transform = data.TrainTransform(0.0, stretch=2.0)
  found = transform(cloud, np.random.default_rng(0))["points"]
  assert np.abs(found).max() == pytest.approx(1, abs=1e-6)
  plain = augmented(cloud, 0.0)["points"]
  assert np.abs(np.ptp(found, axis=0) - np.ptp(plain, axis=0)).max() > 0.1
  config = dataclasses.replace(SYNTHETIC, stretch=2.0)
  assert data.train_split(config, 16).transform == data.TrainTransform(
    config.point_scaling, 2.0
  )
  with pytest.raises(ValueError, match=r"stretch is 0\.5"):
    data.DataConfig(stretch=0.5)


def test_evaluation_augments_nothing(cloud):
  example = data.eval_transform(cloud, np.random.default_rng(0))
  assert sorted(example) == ["labels", "points"]
  assert example["points"].dtype == np.float32
  assert (example["labels"].dtype, int(example["labels"])) == (np.int32, 3)
  centred = cloud.points - cloud.points.mean(axis=0)
  expected = centred / np.abs(centred).max()
  np.testing.assert_allclose(example["points"], expected, atol=1e-5)


def test_training_scales_and_permutes(cloud):
  plain = data.eval_transform(cloud, np.random.default_rng(0))["points"]
  permuted = augmented(cloud, 0.0)["points"]
  assert not np.allclose(permuted, plain)
  np.testing.assert_allclose(
    sorted_points(permuted), sorted_points(plain), atol=1e-5
  )
  scaled = augmented(cloud, 0.01)["points"]
  lengths = [
    np.sort(np.linalg.norm(points, axis=-1)) for points in (scaled, plain)
  ]
  moved = np.abs(lengths[0] - lengths[1]).max()
  assert 1e-3 < moved < 0.05
  assert not np.allclose(augmented(cloud, 0.01, seed=1)["points"], scaled)
  again = augmented(cloud, 0.01)["points"]
  np.testing.assert_array_equal(again, scaled)


def test_prepared_clouds_are_centred_and_touch_the_cube(cloud):
  """Also after every point was scaled, however much, and wherever it was."""
  shifted = cloud._replace(points=3 * cloud.points + 7)
  for scaling in (0.0, 0.01, 0.5):
    points = augmented(shifted, scaling)["points"]
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-5)
    assert np.abs(points).max() == pytest.approx(1, abs=1e-6)


def test_points_are_scaled_about_their_mean(cloud):
  """The position of the cloud changes nothing."""
  shifted = cloud._replace(points=cloud.points + np.float32([64, -8, 2]))
  one, other = (augmented(x, 0.3)["points"] for x in (cloud, shifted))
  np.testing.assert_allclose(one, other, atol=1e-4)


def test_held_out_shapes_are_others():
  train = data.train_split(SYNTHETIC, 16)
  test = data.eval_split(SYNTHETIC, 16)
  assert (train.name, len(train.source)) == ("synthetic train", 30)
  assert (test.name, len(test.source)) == ("synthetic test", 20)
  training = {train.source[i].points.tobytes() for i in range(30)}
  assert len(training) == 30
  assert not training & {test.source[i].points.tobytes() for i in range(20)}


def test_modelnet40_needs_its_folder(tmp_path):
  with pytest.raises(files.InputError, match=r"--data\.source modelnet40:"):
    data.train_split(data.DataConfig(), 16)
  folder = tmp_path / "chair" / "test"
  folder.mkdir(parents=True)
  text = "OFF\n3 1 0\n0 0 0\n2 0 0\n0 2 0\n3 0 1 2\n"
  (folder / "chair_0001.off").write_text(text)
  config = data.DataConfig(
    source=data.Source.parse(str(tmp_path)),
    cache_dir=tmp_path / "kept",
    allow_partial=True,
  )
  split = data.eval_split(config, 16)
  assert (split.name, split.source[0].label) == (
    "modelnet40 test, not the official one",
    8,
  )
  assert (tmp_path / "kept" / "16" / "test" / "chair_0001.npy").exists()
  strict = dataclasses.replace(config, allow_partial=False)
  with pytest.raises(files.InputError, match="lacks airplane/test"):
    data.eval_split(strict, 16)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"num_eval": 0}, "num_eval is 0; expected at least 1"),
    ({"point_scaling": 1.0}, r"point_scaling is 1.0; expected \[0, 1\)"),
  ],
)
def test_impossible_data_is_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    data.DataConfig(**changes)
