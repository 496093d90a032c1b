"""Queries and linear maps of several modalities."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import layers
from perceiver import multimodal_decoder
from perceiver import position_encoding


def output(**changes) -> multimodal_decoder.OutputConfig:
  """Returns a picture of 2×3 points."""
  fourier = position_encoding.Fourier(num_bands=1, max_resolution=(2, 3))
  settings = {"grid": (2, 3), "positions": fourier, "channels": 3}
  return multimodal_decoder.OutputConfig(name="picture", **settings | changes)


@pytest.mark.parametrize("length", [1, 4, 8, 10])
def test_blocks_of_indices(length):
  calls = []

  @hk.transform
  def run(indices):
    linear = layers.Linear(2, name="linear")
    weights = linear.weights(1)

    def function(i):  # [O] -> [B, O, F]
      calls.append(len(i))
      column = i[None, :, None].astype(jnp.float32)
      return weights(jnp.concatenate([column, 10 * column]))

    return multimodal_decoder._map_indices(function, indices, 4)

  indices = jnp.arange(length)
  params = run.init(jax.random.key(0), indices)
  del calls[:]
  found = run.apply(params, None, indices)
  w = np.asarray(params["linear"]["w"])[0]
  expected = np.stack([np.outer(indices, w), 10 * np.outer(indices, w)])
  np.testing.assert_allclose(found, expected, rtol=1e-6)
  assert max(calls) <= max(4, length if length < 8 else 0)


def test_widths():
  label = multimodal_decoder.OutputConfig(
    name="label",
    grid=(1,),
    positions=position_encoding.Learned(channels=9),
    channels=4,
    joined=True,
  )
  config = multimodal_decoder.MultimodalOutputConfig(outputs=(output(), label))
  assert output().query_channels == 6
  assert output().num_points == 6
  assert config.query_channels == 9 + 2


def test_bad_configs_and_points_are_refused():
  with pytest.raises(ValueError, match=r"grid is \(2, 0\)"):
    output(grid=(2, 0))
  with pytest.raises(ValueError, match="expected 3"):
    output(grid=(2, 3, 4))
  make = multimodal_decoder.MultimodalOutputConfig
  with pytest.raises(ValueError, match="no name twice"):
    make(outputs=(output(), output()))
  config = make(outputs=(output(),))
  check = multimodal_decoder.check_points
  check(config, {"picture": jnp.arange(3)})
  with pytest.raises(ValueError, match="'sound'"):
    check(config, {"sound": jnp.arange(3)})
  with pytest.raises(ValueError, match=r"\(1, 3\)"):
    check(config, {"picture": jnp.arange(3)[None]})
  with pytest.raises(TypeError, match="float32"):
    check(config, {"picture": jnp.zeros(3)})
