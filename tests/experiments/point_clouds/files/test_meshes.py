"""Points are sampled uniformly on surfaces."""

import numpy as np
import pytest

from experiments.point_clouds.files import meshes

NUM_POINTS = 40_000


def mesh(vertices, faces):
  return meshes.Mesh(np.array(vertices, float), np.array(faces))


# Beside one another in the plane z = 0: areas 1/2 and 3/2, and between them
# faces without any, a line and a point.
PAIR = mesh(
  [(0, 0, 0), (1, 0, 0), (0, 1, 0), (2, 0, 0), (5, 0, 0), (2, 1, 0)],
  [(0, 1, 2), (0, 1, 3), (3, 4, 5), (4, 4, 4)],
)


def sample(surface, num_points=NUM_POINTS, seed=0):
  return meshes.sample(surface, num_points, np.random.default_rng(seed))


def test_areas():
  np.testing.assert_allclose(meshes.areas(PAIR), [0.5, 0, 1.5, 0])
  tilted = mesh([(0, 0, 0), (3, 0, 0), (0, 0, 4)], [(0, 1, 2)])
  np.testing.assert_allclose(meshes.areas(tilted), [6])


def test_faces_are_sampled_by_their_area():
  points = sample(PAIR)
  assert points.shape == (NUM_POINTS, 3)
  assert points.dtype == np.float32
  share = np.mean(points[:, 0] < 1.5)
  # Four standard deviations of a share of a quarter are 0.0087.
  assert abs(share - 0.25) < 0.009


def test_points_lie_inside_their_faces():
  """On the first face x + y <= 1, on the third (x - 2) / 3 + y <= 1."""
  x, y, z = sample(PAIR).T
  assert np.all(z == 0)
  assert y.min() >= 0
  first = x < 1.5
  assert np.all((x >= 0)[first])
  assert np.all((x + y)[first] <= 1 + 1e-6)
  assert np.all((x >= 2)[~first])
  assert np.all(((x - 2) / 3 + y)[~first] <= 1 + 1e-6)


def test_points_are_uniform_on_a_face():
  """Each of four equal parts of a triangle gets a quarter of the points."""
  x, y, _ = sample(mesh([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [(0, 1, 2)])).T
  parts = [x > 0.5, y > 0.5, x + y < 0.5]
  shares = [np.mean(part) for part in parts]
  shares.append(1 - sum(shares))
  np.testing.assert_allclose(shares, [0.25] * 4, atol=0.009)


def test_a_face_without_area_gets_no_points():
  """The line from (0, 0) to (9, 9) is a face first and last."""
  vertices = [(0, 0, 0), (9, 9, 0), (3, 3, 0), (0, 0, 1), (1, 0, 1), (0, 1, 1)]
  points = sample(mesh(vertices, [(0, 1, 2), (3, 4, 5), (0, 2, 1)]))
  assert np.all(points[:, 2] == 1)


def test_the_generator_decides_all():
  np.testing.assert_array_equal(
    sample(PAIR, 9, seed=3), sample(PAIR, 9, seed=3)
  )
  assert not np.array_equal(sample(PAIR, 9, seed=3), sample(PAIR, 9, seed=4))


def test_largest_coordinates():
  largest = float(np.finfo(np.float32).max)
  corners = np.array([(-1, -1, 0), (1, 0, 0), (0, 1, 0)]) * largest
  assert np.isfinite(sample(mesh(corners, [(0, 1, 2)]))).all()


def test_a_mesh_without_area_is_refused():
  with pytest.raises(ValueError, match="no face has an area"):
    sample(mesh([(0, 0, 0), (1, 1, 1), (2, 2, 2)], [(0, 1, 2)]))


def test_joined_meshes_have_the_faces_of_all():
  triangle = mesh([(0, 0, 1), (1, 0, 1), (0, 1, 1)], [(2, 1, 0)])
  joined = meshes.join([PAIR, triangle, triangle])
  assert joined.vertices.shape == (12, 3)
  assert joined.faces[4:].tolist() == [[8, 7, 6], [11, 10, 9]]
  np.testing.assert_allclose(meshes.areas(joined), [0.5, 0, 1.5, 0, 0.5, 0.5])
