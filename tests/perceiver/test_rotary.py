"""Rotary and sinusoidal positions against released arrays, and laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import position_encoding
from tests.helpers import fill
from tests.helpers import perceiver_ar_goldens as goldens

CASES = goldens.INDEX["goldens"]["rotation"]["cases"]


@pytest.mark.parametrize("case", CASES)
def test_rotation_is_the_released_one(case):
  arrays, settings = goldens.arrays("rotation"), CASES[case]
  config = position_encoding.Rotary(
    max_wavelength=settings["max_wavelength"],
    fraction=settings["fraction_to_rotate"],
    head_fraction=settings["fraction_heads_to_rotate"],
  )
  x = jnp.asarray(fill.array((2, 5, 4, 12), goldens.SALT, "rotation", "x"))
  found = position_encoding.rotate(config, x, jnp.asarray(arrays["positions"]))
  # Angles of some thousand radians are good to about 1e-7 of themselves.
  tolerance = 3e-5 if case == "whole" else 1e-5
  assert goldens.relative_error(found, arrays[case]) < tolerance


def test_products_depend_on_differences_of_real_positions():
  config = position_encoding.Rotary(max_wavelength=30.0, fraction=1.0)
  query, key = jax.random.normal(jax.random.key(0), (2, 1, 1, 2, 8))

  def product(one, other):
    turned = [
      position_encoding.rotate(config, x, jnp.array([[position]]))
      for x, position in ((query, one), (key, other))
    ]
    return jnp.sum(turned[0] * turned[1])

  expected = product(3.25, 1.5)
  np.testing.assert_allclose(product(10.0, 8.25), expected, rtol=1e-5)
  assert abs(product(3.25, 2.5) - expected) > 1e-2


@pytest.mark.parametrize("size", ["10x7", "11x6", "24x21"])
def test_sinusoidal_table_is_the_released_one(size):
  channels, length = map(int, size.split("x"))
  expected = goldens.arrays("position_tables")[f"sinusoidal_{size}"]
  table = position_encoding.sinusoidal_table(length, channels)
  np.testing.assert_allclose(table, expected, atol=1e-6)
  found = position_encoding.sinusoidal(jnp.arange(length), length, channels)
  np.testing.assert_allclose(found, expected, atol=1e-6)


def test_large_positions_are_precise():
  positions = np.array([0, 511, 512, 70_001, 131_071])
  divisors = 10_000.0 ** (np.arange(8) / 7)
  angles = positions[:, None] / divisors
  found = position_encoding.sinusoidal(jnp.asarray(positions), 131_072, 16)
  expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
  np.testing.assert_allclose(found, expected, atol=1e-6)
