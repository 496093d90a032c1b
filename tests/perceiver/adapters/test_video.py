"""Videos as inputs."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import position_encoding
from perceiver.adapters import video


def config(patch=(2, 2, 3), axes=3) -> video.VideoInputConfig:
  positions = position_encoding.Fourier(num_bands=1, max_resolution=(2,) * axes)
  return video.VideoInputConfig(
    num_frames=4, size=(4, 6), channels=1, patch=patch, positions=positions
  )


def build(videos):
  run = hk.transform(lambda x: video.VideoInput(config(), name="video")(x))
  parts = run.apply(run.init(jax.random.key(0), videos), None, videos)
  return tuple(map(position_encoding.materialise, parts))


def test_patches_and_positions():
  videos = jnp.arange(192.0).reshape(2, 4, 4, 6, 1)
  values, positions = build(videos)
  assert config().grid == (2, 2, 2)
  assert values.shape == (2, config().num_inputs, 12) == (2, 8, 12)
  assert positions.shape == (1, 8, 9)
  assert config().input_channels == 21
  # Last frames, upper rows, right half: by frame, then row, then column.
  expected = videos[1, 2:, :2, 3:].reshape(-1)
  np.testing.assert_allclose(values[1, 5], expected)
  np.testing.assert_allclose(positions[0, 5, :3], [1, -1, 1])


def test_bad_input_is_refused():
  with pytest.raises(ValueError, match=r"Video input.*\[batch, 4, 4, 6, 1\]"):
    build(jnp.zeros((1, 4, 4, 6, 3)))
  with pytest.raises(TypeError, match="uint8"):
    build(jnp.zeros((1, 4, 4, 6, 1), jnp.uint8))
  with pytest.raises(ValueError, match="patch that divides"):
    config(patch=(3, 1, 3))
  with pytest.raises(ValueError, match="expected 3"):
    config(axes=2)
