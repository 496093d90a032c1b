"""Pairs of frames to inputs, coarse outputs to flow."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import position_encoding
from perceiver.adapters import flow
from perceiver.adapters import image
from perceiver.adapters import patches

SIZE = (6, 8)


def config(features, concatenate):
  grid = features.grid(SIZE)
  return flow.FlowInputConfig(
    size=SIZE,
    features=features,
    concatenate_frames=concatenate,
    positions=position_encoding.Fourier(
      num_bands=3, max_resolution=grid if concatenate else (2, *grid)
    ),
  )


def frames(batch=2):
  generator = np.random.default_rng(0)
  values = generator.uniform(-1, 1, (batch, 2, *SIZE, 3))
  return jnp.asarray(values, jnp.float32)


def run(cfg, x, params=None):
  """Returns parameters and inputs."""
  transformed = hk.transform_with_state(
    lambda x: flow.FlowInput(cfg, name="flow_input")(x)
  )
  key = jax.random.key(0)
  init = hk.transform_with_state(
    lambda x: flow.FlowInput(cfg, True, name="flow_input")(x)
  ).init
  initial, state = jax.jit(init)(key, x)
  params = params or initial
  return params, transformed.apply(params, state, None, x)[0]


@pytest.mark.parametrize("concatenate", [True, False])
@pytest.mark.parametrize(
  "features",
  [
    flow.Neighbourhoods(num_channels=5),
    flow.Neighbourhoods(size=1, num_channels=5),
    flow.Neighbourhoods(size=5, stride=4, num_channels=5),
    image.ConvPool(num_channels=5),
  ],
)
def test_shapes(features, concatenate):
  cfg = config(features, concatenate)
  height, width = SIZE if features.stride == 1 else (2, 2)
  count = height * width * (1 if concatenate else 2)
  codes = 14 if concatenate else 21
  _, (seen, positions) = run(cfg, frames())
  assert seen.shape == (2, count, 5)
  assert positions.shape == (1, count, codes)
  assert cfg.input_channels == 5 + codes
  assert (cfg.num_inputs, cfg.num_outputs) == (count, height * width)
  for part in flow.first_frame(cfg, (seen, positions)):
    assert part.shape[1] == height * width


def test_what_a_pixel_sees_of_both_frames():
  """All of the first frame's surroundings, then all of the second's."""
  x = frames(1)
  cfg = config(flow.Neighbourhoods(num_channels=54), True)
  identity = {
    "flow_input/patch_projection": {"w": np.eye(54), "b": np.zeros(54)}
  }
  _, (seen, _) = run(cfg, x, identity)
  row, column = 2, 3
  around = x[0, :, row - 1 : row + 2, column - 1 : column + 2]  # [2, 3, 3, 3]
  np.testing.assert_array_equal(
    seen[0, row * SIZE[1] + column], around.reshape(54)
  )
  corner = np.asarray(seen[0, 0]).reshape(2, 3, 3, 3)
  assert not corner[:, 0].any()
  assert not corner[:, :, 0].any()
  np.testing.assert_array_equal(corner[:, 1:, 1:], x[0, :, :2, :2])


def test_separate_frames_are_the_same_features_at_other_times():
  x = frames(1)
  cfg = config(flow.Neighbourhoods(size=1, num_channels=3), False)
  identity = {"flow_input/patch_projection": {"w": np.eye(3), "b": np.zeros(3)}}
  _, (seen, positions) = run(cfg, x, identity)
  np.testing.assert_array_equal(seen[0], x[0].reshape(-1, 3))
  codes = np.asarray(position_encoding.materialise(positions))
  first, second = codes.reshape(2, -1, 21)
  np.testing.assert_array_equal(first[:, 0], -1)
  np.testing.assert_array_equal(second[:, 0], 1)
  np.testing.assert_array_equal(first[:, 1:3], second[:, 1:3])


def test_conv_sees_concatenated_frames_at_once():
  params, _ = run(config(image.ConvPool(num_channels=5), True), frames())
  assert params["flow_input/conv"]["w"].shape == (7, 7, 6, 5)
  params, _ = run(config(image.ConvPool(num_channels=5), False), frames())
  assert params["flow_input/conv"]["w"].shape == (7, 7, 3, 5)


def test_separate_conv_is_one_for_both_frames():
  x = frames(1)
  cfg = config(image.ConvPool(num_channels=5), False)
  params, (seen, _) = run(cfg, x)
  _, (swapped, _) = run(cfg, x[:, ::-1], params)
  first, second = np.split(np.asarray(seen), 2, axis=1)
  np.testing.assert_allclose(
    swapped, np.concatenate([second, first], axis=1), atol=1e-6
  )


def test_upsampling_picks_what_the_weights_say():
  coarse = jnp.arange(6.0).reshape(1, 2, 3, 1)
  # Fine place (i, j) of every coarse one looks at neighbour 3·i + j alone.
  logits = np.zeros((2, 2, 9), np.float32)
  for i in range(2):
    for j in range(2):
      logits[i, j, 3 * i + j] = 100
  logits = jnp.broadcast_to(logits.reshape(-1), (1, 2, 3, 36))
  found = flow.convex_upsample(coarse, logits, 2)[0, ..., 0]
  around = patches.neighbourhoods(coarse, 3)[0]  # [2, 3, 9]
  expected = np.zeros((4, 6))
  for y in range(4):
    for x in range(6):
      expected[y, x] = around[y // 2, x // 2, 3 * (y % 2) + x % 2]
  np.testing.assert_allclose(found, expected, atol=1e-6)


def test_upsampling_a_constant_keeps_it_inside():
  coarse = jnp.full((1, 5, 4, 2), 3.0)
  logits = jax.random.normal(jax.random.key(0), (1, 5, 4, 16 * 9))
  found = flow.convex_upsample(coarse, logits, 4)
  assert found.shape == (1, 20, 16, 2)
  np.testing.assert_allclose(found[:, 4:-4, 4:-4], 3.0, rtol=1e-6)
  assert np.asarray(found).max() <= 3.0 + 1e-5


def test_upsampled_flow_is_of_fine_pixels():
  """A coarse pixel is four fine ones wide, and so is what it moves by."""
  features = jnp.ones((1, 3, 3, 2))
  params = {
    "up/flow": {"w": jnp.zeros((2, 2)), "b": jnp.array([1.0, -2.0])},
    "up/weights": {"w": jnp.zeros((2, 144)), "b": jnp.zeros(144)},
  }
  run = lambda x: flow.ConvexUpsampling(4, name="up")(x)
  found = hk.without_apply_rng(hk.transform(run)).apply(params, features)
  assert found.shape == (1, 12, 12, 2)
  np.testing.assert_allclose(found[0, 5, 5], [4.0, -8.0], rtol=1e-6)


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: flow.Neighbourhoods(size=2), "size is 2"),
    (lambda: flow.Neighbourhoods(stride=0), "stride is 0"),
    (
      lambda: config(image.ConvPool(num_channels=5, centred=True), True),
      "expected all, as without `centred`",
    ),
    (lambda: flow.Neighbourhoods(num_channels=0), "num_channels is 0"),
    (
      lambda: flow.FlowInputConfig(
        size=SIZE,
        concatenate_frames=False,
        positions=position_encoding.Fourier(
          num_bands=2, max_resolution=(6.0, 8.0)
        ),
      ),
      "expected 3",
    ),
    (
      lambda: flow.FlowInputConfig(
        size=(0, 8),
        positions=position_encoding.Fourier(
          num_bands=2, max_resolution=(6.0, 8.0)
        ),
      ),
      r"\(0, 8\)",
    ),
  ],
)
def test_bad_configs(make, message):
  with pytest.raises(ValueError, match=message):
    make()
