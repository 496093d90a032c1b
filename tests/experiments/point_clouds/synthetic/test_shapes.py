"""Synthetic shapes."""

import math

import numpy as np
import pytest

from experiments.point_clouds.files import meshes
from experiments.point_clouds.synthetic import primitives
from experiments.point_clouds.synthetic import shape_classes
from experiments.point_clouds.synthetic import shapes as synthetic_shapes


def source(num_points=64, **changes):
  return synthetic_shapes.SyntheticShapes(
    config=synthetic_shapes.SyntheticConfig(**changes), num_points=num_points
  )


def test_a_cloud_depends_on_seed_and_number_alone():
  one, other = source(num_examples=30), source(num_examples=50)
  forwards = [one[i].points for i in range(30)]
  backwards = [other[i].points for i in reversed(range(30))][::-1]
  np.testing.assert_array_equal(forwards, backwards)
  apart = np.stack([source(seed=1)[i].points for i in range(30)])
  assert not np.any(np.all(apart == np.stack(forwards), axis=(1, 2)))


def test_all_classes_come_in_turn():
  shapes = source(num_examples=20)
  assert [shapes[i].label for i in range(20)] == [*range(10), *range(10)]
  found = [name[:3] for name in synthetic_shapes.CLASS_NAMES]
  assert " ".join(found) == "box cha con cup cyl lam sph sta tab tor"
  assert len(shapes) == 20
  with pytest.raises(IndexError, match="20 shapes, and no 20"):
    shapes[20]


@pytest.mark.parametrize("label", range(10))
def test_every_class(label):
  """Shapes are finite, of about one size, and differ from each other."""
  shapes = source(num_points=200)
  clouds = []
  for i in range(label, 200, 10):
    cloud, mesh = shapes[i], shapes.mesh(i)
    assert cloud.points.shape == (200, 3)
    assert cloud.points.dtype == np.float32
    assert mesh.faces.min() >= 0
    assert mesh.faces.max() < len(mesh.vertices)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    assert np.all(cloud.points >= low - 1e-6)
    assert np.all(cloud.points <= high + 1e-6)
    assert 0.4 < (high - low).max() < 4.1
    clouds.append(mesh.vertices.std())
  assert len(set(clouds)) == 20


def test_points_are_sampled_as_on_files():
  shapes = source(num_points=50)
  numbers = np.random.default_rng((0, 12))
  mesh = shape_classes.SHAPE_CLASSES["cone"](numbers)
  mesh = synthetic_shapes.turn(mesh, numbers.uniform(0, 2 * math.pi))
  np.testing.assert_array_equal(
    shapes[12].points, meshes.sample(mesh, 50, numbers)
  )


def test_shapes_are_turned_about_the_vertical_axis():
  mesh = primitives.box((0, 0, 0), (1, 2, 3))
  turned = synthetic_shapes.turn(mesh, math.pi / 2)
  low, high = turned.vertices.min(axis=0), turned.vertices.max(axis=0)
  np.testing.assert_allclose([low, high], [(-2, 0, 0), (0, 1, 3)], atol=1e-12)
  # All angles come: the box's longer edge, from which the angle is read.
  angles = []
  for i in range(0, 400, 10):
    edge = source().mesh(i).vertices[1] - source().mesh(i).vertices[0]
    assert abs(edge[2]) < 1e-9
    angles.append(math.atan2(edge[1], edge[0]))
  quarters = np.floor(np.array(angles) / (math.pi / 2))
  assert set(quarters) == {-2, -1, 0, 1}


def area(mesh):
  return meshes.areas(mesh).sum()


def test_areas_of_simple_meshes():
  assert area(primitives.box((1, 1, 1), (2, 3, 4))) == pytest.approx(22)
  # A polygon of 24 sides in place of the circle.
  around = 24 * 2 * math.sin(math.pi / 24)
  barrel = primitives.revolve([(2, 0), (2, 5)])
  assert area(barrel) == pytest.approx(2 * around * 5)
  disc = primitives.revolve([(0, 0), (1, 0)])
  assert area(disc) == pytest.approx(12 * math.sin(2 * math.pi / 24))
  straight = np.linspace((0, 0, 0), (3, 0, 4), 6)
  assert area(primitives.tube(straight, 0.5)) == pytest.approx(around / 2 * 5)


def test_a_tube_keeps_its_distance_from_its_line():
  line = primitives.arc(3.0, 0.0, math.pi)
  tube = primitives.tube(line, 0.5)
  rings = tube.vertices.reshape(17, 24, 3)
  distance = np.linalg.norm(rings - line[:, None], axis=-1)
  np.testing.assert_allclose(distance, 0.5, rtol=1e-9)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"num_examples": 0}, "num_examples is 0; expected at least 1"),
    ({"seed": -1}, "seed is -1; expected at least 0"),
  ],
)
def test_impossible_shapes_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    synthetic_shapes.SyntheticConfig(**changes)
