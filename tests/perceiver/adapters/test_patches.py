"""Cutting arrays into patches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver.adapters import patches
from tests.helpers import fill
from tests.helpers import released


def numbers(*shape):
  return jnp.arange(np.prod(shape), dtype=jnp.float32).reshape(shape)


def test_blocks_of_an_image():
  image = numbers(4, 4)[None, :, :, None]
  found = patches.space_to_depth(image, (2, 2))  # [1, 2, 2, 4]
  expected = [
    [[0, 1, 4, 5], [2, 3, 6, 7]],
    [[8, 9, 12, 13], [10, 11, 14, 15]],
  ]
  np.testing.assert_array_equal(found[0], expected)


def test_channels_of_one_position_stay_together():
  image = jnp.stack([numbers(2, 2), 10 + numbers(2, 2)], axis=-1)[None]
  found = patches.space_to_depth(image, (2, 2))
  np.testing.assert_array_equal(found[0, 0, 0], [0, 10, 1, 11, 2, 12, 3, 13])


def test_blocks_need_not_be_square():
  line = numbers(6)[None, :, None]
  found = patches.space_to_depth(line, (3,))
  np.testing.assert_array_equal(found, [[[0, 1, 2], [3, 4, 5]]])
  image = numbers(2, 6)[None, :, :, None]
  found = patches.space_to_depth(image, (1, 3))
  assert found.shape == (1, 2, 2, 3)
  np.testing.assert_array_equal(found[0, 1, 0], [6, 7, 8])


def test_blocks_of_one_change_nothing():
  x = numbers(2, 3, 4, 5)
  np.testing.assert_array_equal(patches.space_to_depth(x, (1, 1)), x)


@pytest.mark.parametrize(
  ("shape", "block"),
  [
    ((1, 4, 4, 3), (3, 2)),
    ((1, 4, 4, 3), (2, 3)),
    ((1, 4, 4, 3), (2, 2, 2)),
    ((1, 4, 4, 3), (2,)),
  ],
)
def test_blocks_that_do_not_fit_are_refused(shape, block):
  with pytest.raises(ValueError, match=r"expected blocks that divide \(4, 4\)"):
    patches.space_to_depth(jnp.zeros(shape), block)


def test_neighbourhoods_of_an_image():
  image = numbers(3, 3)[:, :, None]
  found = patches.neighbourhoods(image, 3)
  assert found.shape == (3, 3, 9)
  np.testing.assert_array_equal(found[1, 1], np.arange(9))  # row by row
  np.testing.assert_array_equal(found[0, 0], [0, 0, 0, 0, 0, 1, 0, 3, 4])
  np.testing.assert_array_equal(found[2, 1], [3, 4, 5, 6, 7, 8, 0, 0, 0])


def test_neighbourhoods_keep_channels_together():
  image = jnp.stack([numbers(1, 2), 10 + numbers(1, 2)], axis=-1)  # [1, 2, 2]
  found = patches.neighbourhoods(image, 3)[0, 1]  # rows above and below are 0
  np.testing.assert_array_equal(found[:6], np.zeros(6))
  np.testing.assert_array_equal(found[6:12], [0, 10, 1, 11, 0, 0])


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("stride", [2, 3, 4, 9])
def test_neighbourhoods_of_every_few_pixels(size, stride):
  """They are some of all neighbourhoods, around the middles of blocks."""
  x = jax.random.normal(jax.random.key(0), (2, 9, 14, 3))
  found = patches.neighbourhoods(x, size, stride)
  grid = (-(-9 // stride), -(-14 // stride))
  assert found.shape == (2, *grid, size**2 * 3)
  outside = jnp.pad(x, ((0, 0), (0, stride), (0, stride), (0, 0)))
  middle = stride // 2
  expected = patches.neighbourhoods(outside, size)[
    :, middle::stride, middle::stride
  ]
  np.testing.assert_array_equal(found, expected[:, : grid[0], : grid[1]])


def test_neighbourhoods_of_one_are_the_values_themselves():
  x = numbers(2, 3, 4, 5)
  np.testing.assert_array_equal(patches.neighbourhoods(x, 1), x)


def test_released_space_to_depth():
  video = jnp.asarray(fill.array((2, 4, 8, 6, 3), released.SALT, "s2d"))
  found = patches.space_to_depth(video, (2, 2, 2))
  np.testing.assert_array_equal(found, released.golden("patches")["s2d"])


def test_released_flow_patches():
  frames = jnp.asarray(fill.array((1, 2, 6, 5, 3), released.SALT, "patches"))
  found = patches.neighbourhoods(frames, 3)
  np.testing.assert_array_equal(
    found, released.golden("patches")["flow_patches"]
  )
