import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.image_classification import mixing

pytestmark = pytest.mark.optimized

_BOTH = mixing.MixingConfig()
_MIXUP = mixing.MixingConfig(cutmix=False)
_CUTMIX = mixing.MixingConfig(mixup_alpha=None)
_NONE = mixing.MixingConfig(mixup_alpha=None, cutmix=False)


@functools.partial(jax.jit, static_argnums=3)
def _mix(key, images, targets, config):
  """Mixes each example with the one before it."""
  pairs = ((x, mixing.before(x)) for x in (images, targets))
  return mixing.mix(key, *pairs, config)


def _constant_images(batch, size=8):
  """Returns images i of the constant i, and targets of class i."""
  values = jnp.arange(batch, dtype=jnp.float32)[:, None, None, None]
  images = jnp.broadcast_to(values, (batch, size, size, 3))
  return images, jnp.eye(batch)


@pytest.mark.parametrize(
  ("config", "batch"),
  [(_BOTH, 1), (_BOTH, 5), (_BOTH, 8), (_MIXUP, 8), (_CUTMIX, 8), (_NONE, 8)],
)
def test_targets_are_shares_of_the_images(config, batch):
  images, targets = _constant_images(batch)
  mixed, soft = _mix(jax.random.key(3), images, targets, config)
  assert mixed.shape == images.shape
  assert mixed.dtype == images.dtype
  np.testing.assert_allclose(soft.sum(axis=-1), 1, rtol=1e-6)
  mean = mixed.mean(axis=(1, 2, 3))
  np.testing.assert_allclose(mean, soft @ np.arange(batch), atol=1e-5)
  partners = np.roll(np.arange(batch), 1)
  for i, partner in enumerate(partners):
    np.testing.assert_allclose(
      soft[i, i] + soft[i, partner] * (i != partner), 1, rtol=1e-6
    )


def _values_per_image(config, batch=8):
  images, targets = _constant_images(batch)
  mixed, _ = _mix(jax.random.key(0), images, targets, config)
  return [len(np.unique(image)) for image in np.asarray(mixed)]


def test_both_mixings_take_half_of_the_batch_each():
  images, targets = _constant_images(8)
  mixed = np.asarray(_mix(jax.random.key(1), images, targets, _BOTH)[0])
  for i in range(4):  # MixUp: constant over the image
    assert len(np.unique(mixed[i])) == 1
  for i in range(4, 8):  # CutMix: nothing but the two images' values
    assert set(np.unique(mixed[i])) <= {i, i - 1}
  assert any(v not in range(8) for v in np.unique(mixed[:4]))
  assert any(len(np.unique(image)) == 2 for image in mixed[4:])


def test_one_mixing_takes_the_whole_batch():
  assert _values_per_image(_MIXUP) == [1] * 8
  images, targets = _constant_images(8)
  mixed = np.asarray(_mix(jax.random.key(0), images, targets, _CUTMIX)[0])
  assert set(np.unique(mixed)) <= set(range(8))
  assert max(len(np.unique(image)) for image in mixed) == 2


def test_no_mixing_changes_nothing():
  images, targets = _constant_images(3)
  mixed, soft = _mix(jax.random.key(0), images, targets, _NONE)
  np.testing.assert_array_equal(mixed, images)
  np.testing.assert_array_equal(soft, targets)


def test_a_single_example_is_unchanged():
  images, targets = _constant_images(1)
  mixed, soft = _mix(jax.random.key(0), images + 2, targets, _BOTH)
  np.testing.assert_allclose(mixed, images + 2, rtol=1e-6)
  np.testing.assert_allclose(soft, targets, rtol=1e-6)


def test_mixup_ratios_follow_the_beta_distribution():
  images, targets = jnp.zeros((4000, 1, 1, 3)), jnp.eye(2)[jnp.arange(4000) % 2]
  _, soft = _mix(jax.random.key(0), images, targets, _MIXUP)
  ratios = np.where(np.arange(4000) % 2, soft[:, 1], soft[:, 0])
  # Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)).
  np.testing.assert_allclose(ratios.mean(), 0.5, atol=0.03)
  np.testing.assert_allclose(ratios.var(), 1 / (4 * 1.4), atol=0.01)


def test_cutmix_masks_are_boxes_and_shares_are_their_true_area():
  masks, shares = mixing.cutmix_masks(jax.random.key(0), 500, 12, 20)
  masks = np.asarray(masks)[..., 0]
  np.testing.assert_allclose(masks.mean(axis=(1, 2)), shares, rtol=1e-5)
  rows, columns = masks.max(axis=2), masks.max(axis=1)
  np.testing.assert_array_equal(masks, rows[:, :, None] * columns[:, None])
  for line in (rows, columns):  # each is one run of ones
    steps = np.diff(np.pad(line, ((0, 0), (1, 1))), axis=1)
    assert (np.abs(steps).sum(axis=1) <= 2).all()


def test_cutmix_boxes_have_uniform_area_before_they_are_cut_off():
  size = 100
  masks, _ = mixing.cutmix_masks(jax.random.key(1), 1000, size, size)
  heights = np.asarray(masks)[..., 0].max(axis=2).sum(axis=1)  # [B]
  # A side s, s² uniform, at a uniform centre: cut off, s - s² / 4 on average.
  np.testing.assert_allclose(heights.mean() / size, 2 / 3 - 1 / 8, atol=0.03)
  assert heights.max() > 0.9 * size


def test_randomness_depends_on_the_key():
  images, targets = _constant_images(8)
  one, again, other = (
    _mix(jax.random.key(seed), images, targets, _BOTH)[1] for seed in (0, 0, 1)
  )
  np.testing.assert_array_equal(one, again)
  assert not np.array_equal(one, other)


def test_dtypes_are_kept():
  images, targets = _constant_images(4)
  mixed, soft = _mix(
    jax.random.key(0), images.astype(jnp.bfloat16), targets, _BOTH
  )
  assert mixed.dtype == jnp.bfloat16
  assert soft.dtype == jnp.float32


def test_sharded_batches_are_mixed_alike():
  images, targets = _constant_images(8)
  expected = _mix(jax.random.key(0), images, targets, _BOTH)
  mesh = jax.make_mesh(
    (4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,)
  )
  sharding = jax.sharding.NamedSharding(mesh, jax.P("data"))
  batch = jax.device_put((images, targets), sharding)
  result = _mix(jax.random.key(0), *batch, _BOTH)
  chex.assert_trees_all_close(result, expected, rtol=1e-6)


def test_impossible_alpha_is_refused():
  with pytest.raises(
    ValueError, match=r"mixup_alpha is 0.0; expected \(0, inf\)"
  ):
    mixing.MixingConfig(mixup_alpha=0.0)


def test_labels_count_by_their_shares():
  labels = jnp.array([0, 1, 1, 2])
  shares = jnp.array([0.25, 0.5, 0.75, 1.0])[:, None]
  one_hot = jnp.eye(3)[labels]
  mixed = shares * one_hot + (1 - shares) * jnp.roll(one_hot, 1, axis=0)
  pair = (labels, mixing.before(labels))
  found = lambda guesses: mixing.top_k_correct(
    9 * jnp.eye(3)[jnp.array(guesses)], pair, mixed, 1
  )
  np.testing.assert_allclose(found([0, 1, 1, 2]), [0.25, 0.5, 1, 1])
  np.testing.assert_allclose(found([2, 0, 0, 1]), [0.75, 0.5, 0, 0])


def test_partners_may_be_other_images():
  images, targets = _constant_images(8)
  others = images + 10, jnp.roll(targets, 3, axis=1)
  mixed, soft = mixing.mix(
    jax.random.key(0), (images, others[0]), (targets, others[1]), _BOTH
  )
  share = np.diagonal(soft)
  np.testing.assert_allclose(
    mixed.mean(axis=(1, 2, 3)), np.arange(8) + 10 * (1 - share), atol=1e-5
  )
