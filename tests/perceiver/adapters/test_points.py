"""Points in space as inputs."""

import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import position_encoding
from perceiver.adapters import points

CONFIG = points.PointInputConfig(
  num_axes=2,
  positions=position_encoding.Fourier(num_bands=1, max_resolution=(2, 2)),
)


def test_a_point_is_its_position_code():
  (found,) = points.encode(CONFIG, jnp.array([[[0.5, -1.0]]]))
  # Coordinates, sin(π x) of both, cos(π x) of both.
  np.testing.assert_allclose(found[0, 0], [0.5, -1, 1, 0, 0, -1], atol=1e-6)
  assert CONFIG.input_channels == 6


def test_bad_points_are_refused():
  with pytest.raises(ValueError, match=r"\[batch, points, 2\]"):
    points.encode(CONFIG, jnp.zeros((1, 4, 3)))
  with pytest.raises(TypeError, match="int32"):
    points.encode(CONFIG, jnp.zeros((1, 4, 2), jnp.int32))
  with pytest.raises(ValueError, match="expected 3"):
    points.PointInputConfig(positions=CONFIG.positions)
