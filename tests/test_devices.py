"""The same numbers on one device and on several, compiled or not."""

import functools

import chex
import jax
import jax.numpy as jnp
from jax.sharding import AxisType
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec
import numpy as np

import perceiver
from perceiver import rematerialisation
from tests.helpers import fill
from tests.helpers import tiny_networks

BATCH = 8
MODEL = perceiver.create(
  tiny_networks.classifier_config(
    num_self_attends_per_block=1, remat=rematerialisation.Remat.NOTHING
  )
)
IMAGES = fill.array((BATCH, 8, 8, 1), "devices")
TARGETS = jax.nn.one_hot(np.arange(BATCH) % 3, 3)


@functools.cache
def variables():
  shapes = jax.tree.map(lambda x: x.shape, MODEL.shapes().params)
  return perceiver.Variables(fill.parameters("devices", shapes), {})


def loss(params, images, targets):
  logits = MODEL.apply(perceiver.Variables(params, {}), images)
  return -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(logits), -1)), logits


step = jax.jit(jax.value_and_grad(loss, has_aux=True))


@functools.lru_cache
def run(num_devices):
  """Returns loss, logits and gradients with the batch spread over devices."""
  mesh = jax.make_mesh(
    (num_devices,),
    ("data",),
    axis_types=(AxisType.Auto,),
    devices=jax.devices()[:num_devices],
  )
  everywhere = NamedSharding(mesh, PartitionSpec())
  batch = NamedSharding(mesh, PartitionSpec("data"))
  params = jax.device_put(variables().params, everywhere)
  images, targets = jax.device_put((IMAGES, TARGETS), batch)
  assert len(images.addressable_shards) == num_devices
  assert images.addressable_shards[0].data.shape[0] == BATCH // num_devices
  return step(params, images, targets)


def assert_close(found, expected):
  chex.assert_trees_all_close(found, expected, rtol=1e-4, atol=1e-6)


def test_several_devices_are_simulated():
  assert jax.device_count() == 4


def test_spreading_the_batch_changes_no_number():
  (value, logits), gradients = run(4)
  (expected, expected_logits), expected_gradients = run(1)
  assert len(logits.sharding.device_set) == 4
  np.testing.assert_allclose(value, expected, rtol=1e-6)
  np.testing.assert_allclose(logits, expected_logits, atol=1e-5)
  assert_close(gradients, expected_gradients)


def test_gradients_are_the_same_on_every_device():
  _, gradients = run(4)
  for gradient in jax.tree.leaves(gradients):
    assert gradient.is_fully_replicated
    shards = [np.asarray(x.data) for x in gradient.addressable_shards]
    assert len(shards) == 4
    for shard in shards[1:]:
      np.testing.assert_array_equal(shard, shards[0])


def test_logits_stay_where_their_images_are():
  (_, logits), _ = run(4)
  shapes = [shard.data.shape for shard in logits.addressable_shards]
  assert shapes == [(BATCH // 4, 3)] * 4


def test_compiled_or_not_the_numbers_are_the_same():
  (value, logits), _ = run(1)
  with jax.disable_jit():
    plain, plain_logits = loss(
      *jax.tree.map(jnp.asarray, (variables().params, IMAGES)), TARGETS
    )
  np.testing.assert_allclose(plain, value, rtol=1e-6)
  np.testing.assert_allclose(plain_logits, logits, atol=1e-5)


def test_examples_do_not_depend_on_their_batch():
  """However large the batch and wherever an example stands in it."""
  (_, logits), _ = run(1)
  order = np.array([5, 0, 3])
  found = MODEL.apply(variables(), IMAGES[order])
  np.testing.assert_allclose(found, logits[order], atol=1e-5)
