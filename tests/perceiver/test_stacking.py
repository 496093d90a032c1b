"""A loop over stacked parameters against the same layers one by one."""

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import layers
from perceiver import stacking

C = 4


def layer(x):
  """A layer with parameters whose output depends on everything."""
  return x + jnp.tanh(layers.Linear(C, name="linear")(x))


def noise(x):
  """A layer without parameters that needs a key."""
  return x + jax.random.normal(hk.next_rng_key(), x.shape)


X = jax.random.normal(jax.random.key(5), (2, 3, C))


@functools.lru_cache
def stacked(length, remat=stacking.Remat.NOTHING):
  """Returns parameters, not zero anywhere, and the applied stack."""
  net = hk.transform(
    lambda x: stacking.stack(layer, length, x, remat=remat)(None, x)
  )
  params = jax.jit(net.init)(jax.random.key(0), X)
  params = jax.tree.map(lambda x: x + 0.1, params)
  return params, jax.jit(lambda params, x: net.apply(params, None, x))


def unrolled(params, x):
  """Calls the layer once for each slice of the parameters."""
  single = hk.transform(layer)
  for i in range(len(params["stack/linear"]["b"])):
    one = {"linear": {n: p[i] for n, p in params["stack/linear"].items()}}
    x = single.apply(one, None, x)
  return x


@pytest.mark.parametrize("remat", list(stacking.Remat))
@pytest.mark.parametrize("length", [1, 3])
def test_stack_is_its_layers_in_a_row(length, remat):
  params, apply = stacked(length, remat)
  assert jax.tree.map(jnp.shape, params) == {
    "stack/linear": {"w": (length, C, C), "b": (length, C)}
  }
  np.testing.assert_allclose(apply(params, X), unrolled(params, X), atol=1e-6)
  gradient = lambda function: jax.grad(
    lambda params, x: jnp.sum(jnp.sin(function(params, x))), (0, 1)
  )(params, X)
  found, expected = gradient(apply), gradient(unrolled)
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_layers_run_in_order():
  params, apply = stacked(3)
  turned = jax.tree.map(lambda x: x[::-1], params)
  assert float(jnp.abs(apply(turned, X) - apply(params, X)).max()) > 1e-3


def test_a_stack_of_no_layers_is_the_identity_and_has_no_parameters():
  params, apply = stacked(0)
  assert not params
  np.testing.assert_array_equal(apply(params, X), X)


def test_every_layer_starts_from_values_of_its_own():
  params, _ = stacked(3)
  w = params["stack/linear"]["w"]
  for i, j in ((0, 1), (0, 2), (1, 2)):
    assert float(jnp.abs(w[i] - w[j]).max()) > 0.1


def test_every_layer_draws_from_a_key_of_its_own():
  net = hk.transform(
    lambda key, x: stacking.stack(noise, 3, x)(key, x) - x,
  )
  key = jax.random.key(1)
  net.init(key, key, X)  # needs no parameters
  found = net.apply({}, None, key, X)
  draws = [
    hk.transform(noise).apply({}, k, jnp.zeros_like(X))
    for k in jax.random.split(key, 3)
  ]
  np.testing.assert_allclose(found, sum(draws), atol=1e-6)
  assert float(jnp.abs(draws[0] - draws[1]).max()) > 0.1


def adding(key, x):
  """A pure layer, random if there is a key."""
  return 2 * x + (0 if key is None else jax.random.uniform(key, x.shape))


@pytest.mark.parametrize("times", [0, 1, 2, 5])
def test_repeat_applies_the_same_layer_again(times):
  found = stacking.repeat(adding, times)(None, X)
  np.testing.assert_allclose(found, 2**times * X, rtol=1e-6)
  with jax.disable_jit():
    plain = stacking.repeat(adding, times)(None, X)
  np.testing.assert_allclose(plain, found, rtol=1e-6)


def test_repeat_hands_every_pass_its_own_key():
  key = jax.random.key(2)
  first, second = jax.random.split(key)
  np.testing.assert_allclose(
    stacking.repeat(adding, 2)(key, X),
    adding(second, adding(first, X)),
    rtol=1e-6,
  )
  np.testing.assert_array_equal(
    stacking.repeat(adding, 1)(key, X), adding(key, X)
  )


def test_chain_is_one_after_the_other_with_two_keys():
  tanh = lambda key, x: adding(key, jnp.tanh(x))
  key = jax.random.key(3)
  first, second = jax.random.split(key)
  both = stacking.chain(adding, tanh)
  np.testing.assert_array_equal(both(None, X), tanh(None, adding(None, X)))
  np.testing.assert_array_equal(both(key, X), tanh(second, adding(first, X)))


def test_a_bound_layer_always_uses_the_same_parameters():
  def network(x):
    bound = stacking.bind(layer, x, name="bound")
    return bound(None, x), stacking.repeat(bound, 2)(None, x)

  net = hk.transform(network)
  params = net.init(jax.random.key(0), X)
  assert list(params) == ["bound/linear"]
  once, twice = net.apply(params, None, X)
  plain = hk.transform(layer)
  plain_params = {"linear": params["bound/linear"]}
  np.testing.assert_allclose(once, plain.apply(plain_params, None, X))
  np.testing.assert_allclose(
    twice, plain.apply(plain_params, None, once), atol=1e-6
  )


@pytest.mark.parametrize(
  ("name", "axes"),
  [
    ("classifier/perceiver/read/attention/query", 0),
    ("classifier/perceiver/processor/stack/self_attention/mlp/hidden", 1),
    ("classifier/perceiver/stack/read_1/query_norm", 1),
    ("perceiver/stack/processor/stack/self_attention/attention_norm", 2),
    ("stack", 1),
    ("stacked/haystack/stack_of_things/stack_a", 0),
    ("net/stack_1/linear", 1),  # the second stack of one module
  ],
)
def test_stacked_axes_are_read_off_the_name(name, axes):
  assert stacking.num_stacked_axes(name) == axes


def test_stacked_axes_of_several_stacks_in_one_module():
  def network(x):
    inner = lambda x: stacking.stack(layer, 2, x)(None, x)
    x = stacking.stack(inner, 3, x)(None, x)
    return stacking.stack(layer, 5, x)(None, x)

  params = jax.eval_shape(hk.transform(network).init, jax.random.key(0), X)
  found = {
    name: entries["b"].shape[: stacking.num_stacked_axes(name)]
    for name, entries in params.items()
  }
  assert sorted(found.values()) == [(3, 2), (5,)]
  assert all(
    entries["b"].shape == (*found[name], C) for name, entries in params.items()
  )


def test_stacked_axes_of_the_largest_published_stack():
  """Eight repeats of a read and six layers, nothing shared."""
  unshared = perceiver.create("perceiver_imagenet_unshared").shapes().params
  shared = perceiver.create("perceiver_imagenet_1_read").shapes().params
  assert len(unshared) == len(shared)
  lengths = {0: (), 1: (8,), 2: (8, 6)}
  seen = set()
  for name, entries in unshared.items():
    axes = stacking.num_stacked_axes(name)
    once = name.replace("perceiver/stack/", "perceiver/")
    fewer = stacking.num_stacked_axes(once)
    seen.add(axes)
    for parameter, array in entries.items():
      single = shared[once][parameter].shape[fewer:]
      assert array.shape == (*lengths[axes], *single), name
  assert seen == {0, 1, 2}
