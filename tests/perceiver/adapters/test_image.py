"""From images to inputs."""

import dataclasses
import functools

import chex
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import errors
from perceiver import position_encoding
from perceiver.adapters import image
from perceiver.models import imagenet
from tests.helpers import fill
from tests.helpers import tiny_networks

FOURIER = position_encoding.Fourier(num_bands=2, max_resolution=(8, 8))
P = 10  # channels of FOURIER
LEARNED = position_encoding.Learned(channels=4)
SEEN = image.ImageInputConfig(size=(8, 12), positions=FOURIER)
IMAGES = fill.array((2, 8, 12, 3), "image adapter")


@functools.lru_cache
def build(config, is_training=False):
  """Returns random variables and the compiled function."""
  net = hk.transform_with_state(
    lambda x, training: image.ImageInput(config, training, name="seen")(x)
  )
  shape = jax.ShapeDtypeStruct((2, *config.size, config.channels), jnp.float32)
  trees = jax.eval_shape(lambda x: net.init(jax.random.key(0), x, True), shape)
  params, state = (jax.tree.map(jnp.shape, tree) for tree in trees)
  params = fill.parameters("image adapter", params)
  state = {
    module: {
      name: fill.state("image adapter", module, name, shape)
      for name, shape in entries.items()
    }
    for module, entries in state.items()
  }
  apply = jax.jit(
    lambda params, state, x: net.apply(params, state, None, x, is_training)
  )
  return params, state, apply


def see(config, images=IMAGES, **options):
  params, state, apply = build(config, **options)
  return apply(params, state, images)[0]


# Name: (features, grid, channels)
KINDS = {
  "pixels": (image.Pixels(), (8, 12), 3),
  "conv_1x1": (image.Conv1x1(num_channels=5), (8, 12), 5),
  "conv_pool": (image.ConvPool(num_channels=6), (2, 3), 6),
  "patches": (image.Patches(size=4), (2, 3), 48),
  "mapped_patches": (image.Patches(size=2, num_channels=7), (4, 6), 7),
}


@pytest.mark.parametrize("kind", KINDS)
def test_grid_and_channels_of_every_kind(kind):
  features, grid, channels = KINDS[kind]
  config = dataclasses.replace(SEEN, features=features)
  assert config.grid == grid
  assert config.num_inputs == grid[0] * grid[1]
  assert config.input_channels == channels + P
  found, positions = see(config)
  assert found.shape == (2, config.num_inputs, channels)
  assert positions.shape == (1, config.num_inputs, P)
  np.testing.assert_allclose(
    position_encoding.materialise(positions),
    position_encoding.materialise(
      position_encoding.grid_features(FOURIER, grid)
    ),
    atol=1e-6,
  )


def test_pixels_come_row_by_row():
  features, _ = see(SEEN)
  np.testing.assert_array_equal(features, IMAGES.reshape(2, 96, 3))


def test_a_1x1_convolution_is_a_linear_map():
  config = dataclasses.replace(SEEN, features=image.Conv1x1(num_channels=5))
  linear = build(config)[0]["seen/conv_1x1"]
  expected = IMAGES.reshape(2, 96, 3) @ linear["w"] + linear["b"]
  np.testing.assert_allclose(see(config)[0], expected, atol=1e-5)


def test_patches_are_cut_and_mapped():
  plain = see(dataclasses.replace(SEEN, features=image.Patches(size=4)))[0]
  expected = IMAGES[1, 4:8, 8:12].reshape(-1)  # the last of six
  np.testing.assert_array_equal(plain[1, 5], expected)
  config = dataclasses.replace(
    SEEN, features=image.Patches(size=4, num_channels=7)
  )
  linear = build(config)[0]["seen/patch_projection"]
  np.testing.assert_allclose(
    see(config)[0], plain @ linear["w"] + linear["b"], atol=1e-5
  )


# ------------------------------------------------------------------- ConvPool

CONV = dataclasses.replace(SEEN, features=image.ConvPool(num_channels=6))
MEAN, VARIANCE = (
  f"seen/batch_norm/~/{statistic}" for statistic in ("mean_ema", "var_ema")
)


def plain_conv_pool(params, images, mean=None, variance=None):
  """The same in jax.lax; statistics of the batch if none are given."""
  x = jax.lax.conv_general_dilated(
    images,
    params["seen/conv"]["w"],
    window_strides=(2, 2),
    padding="SAME",
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
  )
  if mean is None:
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
  norm = params["seen/batch_norm"]
  x = (x - mean) / jnp.sqrt(variance + 1e-5) * norm["scale"] + norm["offset"]
  pooled = jax.lax.reduce_window(
    jnp.maximum(x, 0), -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME"
  )
  return pooled, (jnp.ravel(mean), jnp.ravel(variance))


@pytest.mark.parametrize(
  ("size", "grid"),
  [((8, 12), (2, 3)), ((9, 13), (3, 4)), ((10, 7), (3, 2)), ((3, 1), (1, 1))],
)
def test_conv_pool_in_evaluation(size, grid):
  config = dataclasses.replace(CONV, size=size)
  assert config.grid == grid
  params, state, apply = build(config)
  assert "b" not in params["seen/conv"]
  images = fill.array((2, *size, 3), "image adapter")
  (features, _), after = apply(params, state, images)
  statistics = (state[name]["average"] for name in (MEAN, VARIANCE))
  expected, _ = plain_conv_pool(params, images, *statistics)
  assert expected.shape == (2, *grid, 6)
  np.testing.assert_allclose(
    features, expected.reshape(2, -1, 6), rtol=1e-4, atol=1e-5
  )
  chex.assert_trees_all_equal(after, state)


def test_conv_pool_in_training_uses_the_batch_and_keeps_its_mean():
  params, state, apply = build(CONV, is_training=True)
  (features, _), after = apply(params, state, IMAGES)
  expected, (mean, variance) = plain_conv_pool(params, IMAGES)
  np.testing.assert_allclose(
    features, expected.reshape(2, -1, 6), rtol=1e-4, atol=1e-4
  )
  for name, statistic in ((MEAN, mean), (VARIANCE, variance)):
    assert after[name]["counter"] == state[name]["counter"] + 1
    hidden = 0.9 * jnp.ravel(state[name]["hidden"]) + 0.1 * statistic
    np.testing.assert_allclose(
      jnp.ravel(after[name]["hidden"]), hidden, rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(  # as if it had started at the first batch
      jnp.ravel(after[name]["average"]), hidden / 0.1, rtol=1e-4, atol=1e-5
    )


def test_running_statistics_of_one_batch_are_its_own():
  params, state, train = build(CONV, is_training=True)
  state = jax.tree.map(np.zeros_like, state)
  (expected, _), state = train(params, state, IMAGES)
  (found, _), _ = build(CONV)[2](params, state, IMAGES)
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_batch_norm_is_of_groups_on_any_number_of_devices():
  """Three groups of four, as if each were a batch; their statistics' mean."""
  grouped = dataclasses.replace(
    CONV, features=dataclasses.replace(CONV.features, group=4)
  )
  params, state, train = build(grouped, is_training=True)
  images = fill.array((12, *CONV.size, 3), "group")
  images = images * np.repeat([1, 2, 3], 4)[:, None, None, None]
  (found, _), after = train(params, state, images.astype(np.float32))
  groups = [plain_conv_pool(params, images[i : i + 4]) for i in (0, 4, 8)]
  expected = np.concatenate([np.asarray(x) for x, _ in groups])
  np.testing.assert_allclose(
    found, expected.reshape(found.shape), rtol=1e-4, atol=1e-4
  )
  for name, numbers in zip((MEAN, VARIANCE), zip(*(s for _, s in groups))):
    hidden = 0.9 * jnp.ravel(state[name]["hidden"]) + 0.1 * np.mean(numbers, 0)
    np.testing.assert_allclose(
      jnp.ravel(after[name]["hidden"]), hidden, rtol=1e-4, atol=1e-5
    )
  mesh = jax.make_mesh((4,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
  place = jax.sharding.NamedSharding(mesh, jax.P("x"))
  split = jax.device_put(images.astype(np.float32), place)
  (again, _), same = jax.jit(train)(params, state, split)
  np.testing.assert_allclose(again, found, rtol=1e-5, atol=1e-5)
  chex.assert_trees_all_close(same, after, rtol=1e-5)


def test_a_batch_that_does_not_divide_into_groups():
  params, state, train = build(CONV, is_training=True)
  images = np.zeros((18, *CONV.size, 3), np.float32)
  with pytest.raises(
    errors.BatchError, match="18 images does not divide into groups"
  ):
    jax.eval_shape(train, params, state, images)


# ---------------------------------------------------------------- permutation


def test_a_permutation_reorders_all_inputs_and_is_fixed_by_its_seed():
  shuffled = dataclasses.replace(SEEN, permutation_seed=3)
  order = shuffled.permutation()
  assert sorted(order) == list(range(96))
  assert list(order) != list(range(96))
  np.testing.assert_array_equal(order, shuffled.permutation())
  other = dataclasses.replace(SEEN, permutation_seed=4).permutation()
  assert list(order) != list(other)
  np.testing.assert_array_equal(SEEN.permutation(), np.arange(96))


@pytest.mark.parametrize("projected", [False, True])
def test_fourier_codes_move_with_their_pixels(projected):
  plain = SEEN
  if projected:
    positions = position_encoding.Projected(encoding=FOURIER, channels=5)
    plain = dataclasses.replace(SEEN, positions=positions)
  shuffled = dataclasses.replace(plain, permutation_seed=3)
  for found, expected in zip(see(shuffled), see(plain)):
    expected = position_encoding.materialise(expected)
    np.testing.assert_array_equal(found, expected[:, shuffled.permutation()])


@pytest.mark.parametrize("projected", [False, True])
def test_learned_codes_stay_in_place(projected):
  positions = LEARNED
  if projected:
    positions = position_encoding.Projected(encoding=LEARNED, channels=5)
  plain = dataclasses.replace(SEEN, positions=positions)
  shuffled = dataclasses.replace(plain, permutation_seed=3)
  features, codes = see(shuffled)
  plain_features, plain_codes = see(plain)
  np.testing.assert_array_equal(
    features, plain_features[:, shuffled.permutation()]
  )
  np.testing.assert_array_equal(codes, plain_codes)


def test_a_fourier_classifier_does_not_notice_the_permutation():
  images = fill.array((2, 8, 8, 1), "permuted")
  plain = perceiver.create(tiny_networks.classifier_config())
  shapes = jax.tree.map(jnp.shape, plain.shapes().params)
  variables = perceiver.Variables(fill.parameters("permuted", shapes), {})
  shuffled = perceiver.create(
    tiny_networks.classifier_config(permutation_seed=7)
  )
  expected = plain.apply(variables, images)
  found = shuffled.apply(variables, images)
  np.testing.assert_allclose(found, expected, atol=1e-5)
  # Pixels without their codes do matter.
  pixels = images.reshape(2, 64, 1)[:, shuffled.config.inputs.permutation()]
  moved = plain.apply(variables, pixels.reshape(images.shape))
  assert float(jnp.abs(moved - expected).max()) > 1e-3


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
  ("shape", "found"),
  [
    ((8, 12, 3), r"\(8, 12, 3\)"),
    ((1, 2, 8, 12, 3), r"\(1, 2, 8, 12, 3\)"),
    ((2, 12, 8, 3), r"\(2, 12, 8, 3\)"),
    ((2, 8, 12, 1), r"\(2, 8, 12, 1\)"),
    ((2, 3, 8, 12), r"\(2, 3, 8, 12\)"),
  ],
)
def test_images_of_another_shape_are_refused(shape, found):
  message = f"Image input: the array has shape {found}; expected "
  with pytest.raises(ValueError, match=message + r"\[batch, 8, 12, 3\]"):
    see(SEEN, np.zeros(shape, np.float32))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
def test_images_that_are_not_floating_point_are_refused(dtype):
  message = (
    f"the array has dtype {dtype}; expected floating point, in the range"
  )
  with pytest.raises(TypeError, match=message):
    see(SEEN, np.zeros((2, 8, 12, 3), dtype))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_inputs_have_the_dtype_of_the_images(dtype):
  for config in (SEEN, dataclasses.replace(SEEN, positions=LEARNED)):
    parts = see(config, IMAGES.astype(dtype))
    assert {part.dtype for part in parts} == {jnp.dtype(dtype)}


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"size": (0, 8)}, r"size is \(0, 8\); expected at least 1"),
    ({"channels": 0}, "channels is 0; expected at least 1"),
    (
      {"features": image.Patches(size=3)},
      r"Patches: size is 3; expected a divisor of both sides .*\(8, 12\)",
    ),
    (
      {"positions": dataclasses.replace(FOURIER, max_resolution=(8,))},
      r"max_resolution \(8,\) has 1 axes; expected 2",
    ),
    (
      {
        "positions": position_encoding.Projected(
          encoding=dataclasses.replace(FOURIER, max_resolution=(8, 8, 8)),
          channels=4,
        )
      },
      "has 3 axes; expected 2",
    ),
  ],
)
def test_impossible_inputs_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(SEEN, **changes)


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: image.Conv1x1(num_channels=0), "Conv1x1: num_channels is 0; exp"),
    (lambda: image.ConvPool(num_channels=0), "ConvPool: num_channels is 0"),
    (lambda: image.ConvPool(decay=1.0), r"decay is 1.0; expected \[0, 1\)"),
    (lambda: image.Patches(size=0), "Patches: size is 0; expected at least 1"),
    (lambda: image.Patches(size=2, num_channels=0), "num_channels is 0"),
    (
      lambda: position_encoding.Projected(encoding=FOURIER, channels=0),
      "Projected: channels is 0; expected at least 1",
    ),
  ],
)
def test_impossible_features_are_refused(make, message):
  with pytest.raises(ValueError, match=message):
    make()


def test_a_network_for_other_inputs_is_refused():
  seen = dataclasses.replace(imagenet.FOURIER.inputs, channels=1)
  with pytest.raises(ValueError, match="input_channels is 261; expected 259"):
    dataclasses.replace(imagenet.FOURIER, inputs=seen)


def test_a_mask_is_refused():
  with pytest.raises(ValueError, match="a mask is given; expected None"):
    SEEN.apply(jnp.zeros(()), mask=jnp.ones((1, 96), bool))
