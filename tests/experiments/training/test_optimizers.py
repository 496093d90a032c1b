"""Optimizers against the released updates, and the law of stacking."""

import chex
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.training import optimizers
import perceiver
from perceiver import layers
from tests.helpers import fill
from tests.helpers import folders

GOLDENS = folders.GOLDENS / "deepmind"
SALT = "released"
# Ours -> the released module and name, with the recipe of the parameter.
_CROSS = "perceiver_encoder/~/cross_attention"
_ORIGINALS = {
  ("encoder/cross_attention/query", "w"): (f"{_CROSS}/attention/linear", "w"),
  ("encoder/cross_attention/query", "b"): (f"{_CROSS}/attention/linear", "b"),
  ("encoder/cross_attention/latents_norm", "scale"): (
    f"{_CROSS}/layer_norm",
    "scale",
  ),
  ("encoder/cross_attention/latents_norm", "offset"): (
    f"{_CROSS}/layer_norm",
    "offset",
  ),
  ("encoder/latents", "embeddings"): (
    "perceiver_encoder/~/trainable_position_encoding",
    "pos_embs",
  ),
}


def _tree(make):
  tree = {}
  for (module, name), original in _ORIGINALS.items():
    tree.setdefault(module, {})[name] = jnp.asarray(make(*original))
  return tree


def _first_parameter(module, name):
  del module
  return {
    "w": lambda: fill.array((5, 4), SALT, "w"),
    "b": lambda: fill.array((4,), SALT, "b"),
    "scale": lambda: 1 + np.float32(0.1) * fill.array((5,), SALT, "s"),
    "offset": lambda: fill.array((5,), SALT, "o"),
    "pos_embs": lambda: fill.array((3, 4), SALT, "p"),
  }[name]()


def _gradient(step, golden):
  def make(module, name):
    shape = golden[f"step1|{module}|{name}"].shape
    array = fill.array(shape, SALT, "grad", str(step), module, name)
    return array * (20 if step == 2 else 1)

  return _tree(make)


def _golden_parameters(golden, step):
  return _tree(lambda module, name: golden[f"step{step}|{module}|{name}"])


@pytest.mark.parametrize(
  ("name", "config"),
  [("lamb", optimizers.Lamb()), ("adam", optimizers.Adam())],
)
def test_released_updates(name, config):
  golden = np.load(GOLDENS / f"optimizer_{name}.npz")
  optimizer = optimizers.build(config, lambda step: 0.01)
  params = _tree(_first_parameter)
  state = optimizer.init(params)
  for step in range(1, 5):
    grads = _gradient(step - 1, golden)  # counted from 0 there
    updates, state = optimizer.update(grads, state, params)
    params = optax.apply_updates(params, updates)
    expected = _golden_parameters(golden, step)
    chex.assert_trees_all_close(params, expected, rtol=0, atol=1e-6)


def test_what_decays():
  params = {
    "a/query": {"w": 0, "b": 0},
    "a/conv": {"w": 0, "bias": 0},
    "a/norm": {"scale": 0, "offset": 0},
    "a/batch_norm": {"scale": 0, "offset": 0},
    "normal/linear": {"w": 0},
    "a/positions": {"embeddings": 0},
  }
  decays = {
    "a/query": {"w": True, "b": False},
    "a/conv": {"w": True, "bias": False},
    "a/norm": {"scale": False, "offset": False},
    "a/batch_norm": {"scale": False, "offset": False},
    "normal/linear": {"w": True},
    "a/positions": {"embeddings": True},
  }
  assert optimizers.decay_mask(params, decay_positions=True) == decays
  decays["a/positions"] = {"embeddings": False}
  assert optimizers.decay_mask(params, decay_positions=False) == decays


@pytest.mark.parametrize("config", [optimizers.Lamb(), optimizers.Adam()])
def test_stacked_layers_update_as_layers_apart(config):
  shapes = {"query": {"w": (4, 3), "b": (3,)}, "norm": {"scale": (4,)}}
  scales = (1.0, 10.0, 0.1)  # layers whose trust ratios differ

  def layer(i, what, module, name, shape):
    array = fill.array(shape, what, str(i), module, name)
    return jnp.asarray(array * scales[i])

  def apart(what):
    return {
      f"layer_{i}/{module}": {
        name: layer(i, what, module, name, shape)
        for name, shape in entries.items()
      }
      for i in range(3)
      for module, entries in shapes.items()
    }

  def stacked(tree):
    return {
      f"processor/stack/{module}": {
        name: jnp.stack([tree[f"layer_{i}/{module}"][name] for i in range(3)])
        for name in entries
      }
      for module, entries in shapes.items()
    }

  optimizer = optimizers.build(config, lambda step: 0.01)
  one, many = stacked(apart("p")), apart("p")
  one_state, many_state = optimizer.init(one), optimizer.init(many)
  for step in "123":
    grads = apart(f"g{step}")
    updates, one_state = optimizer.update(stacked(grads), one_state, one)
    one = optax.apply_updates(one, updates)
    updates, many_state = optimizer.update(grads, many_state, many)
    many = optax.apply_updates(many, updates)
  expected = stacked(many)
  for module, entries in one.items():
    for name, value in entries.items():
      np.testing.assert_allclose(value, expected[module][name], rtol=2e-6)


def test_twice_stacked_layers_have_their_own_ratios():
  params = {"stack/x/stack/linear": {"w": jnp.array([[[3.0, 4]], [[0, 2]]])}}
  updates = {"stack/x/stack/linear": {"w": jnp.array([[[1.0, 0]], [[0, 4]]])}}
  transform = optimizers.scale_by_layer_trust_ratio(lambda module: 2)
  found, _ = transform.update(updates, transform.init(params), params)
  expected = [[[5.0, 0]], [[0, 2]]]
  np.testing.assert_allclose(found["stack/x/stack/linear"]["w"], expected)


@pytest.mark.parametrize(
  ("name", "axes"),
  [
    ("classifier/perceiver/cross_attention/attention/query", 0),
    ("classifier/perceiver/processor/stack/self_attention/mlp/hidden", 1),
    ("classifier/perceiver/stack/cross_attention_1/query_norm", 1),
    ("perceiver/stack/processor/stack/self_attention/attention_norm", 2),
    ("stack", 1),
    ("stacked/haystack/stack_of_things/stack_a", 0),
    ("net/stack_1/linear", 1),  # the second stack of one module
  ],
)
def test_stacked_axes_are_read_off_the_name(name, axes):
  assert optimizers.num_stacked_axes(name) == axes


def test_stacked_axes_of_several_stacks_in_one_module():
  layer = lambda x: layers.Linear(2, name="linear")(x)

  def network(x):
    inner = hk.layer_stack(2, name="stack")(layer)
    x = hk.layer_stack(3, name="stack")(inner)(x)
    return hk.layer_stack(5, name="stack")(layer)(x)

  params = jax.eval_shape(
    hk.transform(network).init, jax.random.key(0), jnp.ones((1, 2))
  )
  found = {
    name: entries["b"].shape[: optimizers.num_stacked_axes(name)]
    for name, entries in params.items()
  }
  assert sorted(found.values()) == [(3, 2), (5,)]
  assert all(
    entries["b"].shape == (*found[name], 2) for name, entries in params.items()
  )


def test_stacked_axes_of_the_largest_published_stack():
  """Eight blocks of a cross-attend and six layers each, nothing shared."""
  unshared = perceiver.create("perceiver_imagenet_unshared").shapes().params
  shared = perceiver.create("perceiver_imagenet_1_cross_attend").shapes().params
  assert len(unshared) == len(shared)
  lengths = {0: (), 1: (8,), 2: (8, 6)}
  seen = set()
  for name, entries in unshared.items():
    axes = optimizers.num_stacked_axes(name)
    once = name.replace("perceiver/stack/", "perceiver/")
    fewer = optimizers.num_stacked_axes(once)
    seen.add(axes)
    for parameter, array in entries.items():
      single = shared[once][parameter].shape[fewer:]
      assert array.shape == (*lengths[axes], *single), name
  assert seen == {0, 1, 2}


def test_zero_norms_leave_the_update_alone():
  params = {"a": {"w": jnp.zeros(2), "v": jnp.ones(2)}}
  updates = {"a": {"w": jnp.ones(2), "v": jnp.zeros(2)}}
  transform = optimizers.scale_by_layer_trust_ratio(lambda module: 0)
  found, _ = transform.update(updates, transform.init(params), params)
  np.testing.assert_array_equal(found["a"]["w"], [1, 1])
  np.testing.assert_array_equal(found["a"]["v"], [0, 0])


def test_clipping_can_be_left_out():
  params = {"a": {"w": jnp.ones(1)}}
  grads = {"a": {"w": jnp.full(1, 1e6)}}
  config = optimizers.Adam(clip_norm=None, eps=1e6, weight_decay=0)
  optimizer = optimizers.build(config, lambda step: 1.0)
  updates, _ = optimizer.update(grads, optimizer.init(params), params)
  np.testing.assert_allclose(updates["a"]["w"], [-0.5], rtol=1e-5)


def test_impossible_settings_are_refused():
  with pytest.raises(ValueError, match="clip_norm"):
    optimizers.Lamb(clip_norm=0)
  for name in ("b1", "b2"):
    with pytest.raises(ValueError, match=rf"{name} is 1; expected \[0, 1\)"):
      optimizers.Adam(**{name: 1})
