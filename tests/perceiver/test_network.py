"""Laws of the whole network."""

import dataclasses
import functools

import chex
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import blocks
from perceiver import encoder
from perceiver import flops
from perceiver import network
from perceiver import processor
from perceiver import rematerialisation
from perceiver.attention import reference
from tests.helpers import tiny_networks

B, M, O = 2, 40, 7


@functools.lru_cache
def build(config, is_training=False, as_reference=False):
  """Returns filled parameters and compiled functions of a network."""

  def functions():
    net = network.Perceiver(config, is_training, name="net")
    switch = reference.implementation(as_reference)
    call = switch(net.__call__)
    return call, (call, net.encode, net.decode)

  net = hk.multi_transform(functions)
  params = jax.jit(net.init)(jax.random.key(0), *data())
  # Zero biases and offsets would hide mistakes.
  params = jax.tree.map(
    lambda x: (
      x
      + 0.1
      * np.random.default_rng(x.size).normal(size=x.shape).astype(np.float32)
    ),
    params,
  )
  return params, tuple(jax.jit(function) for function in net.apply)


def data():
  normal = np.random.default_rng(1).normal
  array = lambda *shape: jnp.asarray(normal(size=shape), jnp.float32)
  return (array(B, M, 4), array(1, M, 2)), (array(B, O, 4),)


@pytest.fixture(scope="module")
def io():
  params, functions = build(tiny_networks.perceiver_config(num_blocks=2))
  return params, *functions


def test_permuting_inputs_with_their_positions_changes_nothing(io):
  params, call, *_ = io
  inputs, queries = data()
  order = jax.random.permutation(jax.random.key(3), M)
  shuffled = tuple(part[:, order] for part in inputs)
  found = call(params, None, shuffled, queries)
  expected = call(params, None, inputs, queries)
  np.testing.assert_allclose(found, expected, atol=1e-5)


def test_moving_inputs_away_from_their_positions_changes_the_outputs(io):
  params, call, *_ = io
  inputs, queries = data()
  moved = (inputs[0][:, ::-1], inputs[1])
  difference = call(params, None, moved, queries) - call(
    params, None, inputs, queries
  )
  assert float(jnp.abs(difference).max()) > 1e-3


def test_masked_inputs_change_nothing(io):
  params, call, *_ = io
  inputs, queries = data()
  mask = jnp.arange(M)[None] < jnp.array([[25], [31]])
  changed = (jnp.where(mask[..., None], inputs[0], 100.0), inputs[1])
  found = call(params, None, changed, queries, input_mask=mask)
  expected = call(params, None, inputs, queries, input_mask=mask)
  np.testing.assert_array_equal(found, expected)
  free = call(params, None, inputs, queries)
  assert float(jnp.abs(free - expected).max()) > 1e-3


def test_masked_inputs_are_as_good_as_absent(io):
  params, call, *_ = io
  inputs, queries = data()
  mask = jnp.broadcast_to(jnp.arange(M) < 25, (B, M))
  short = tuple(part[:, :25] for part in inputs)
  found = call(params, None, inputs, queries, input_mask=mask)
  expected = call(params, None, short, queries)
  np.testing.assert_allclose(found, expected, atol=1e-5)


def test_queries_do_not_see_each_other(io):
  params, call, *_ = io
  inputs, (queries,) = data()
  whole = call(params, None, inputs, (queries,))
  order = jnp.array([3, 1, 6])
  part = call(params, None, inputs, (queries[:, order],))
  np.testing.assert_allclose(part, whole[:, order], atol=1e-5)


def test_query_mask_acts(io):
  params, call, *_ = io
  inputs, queries = data()
  mask = jnp.ones((B, O), bool).at[:, 2].set(False)
  free = call(params, None, inputs, queries)
  masked = call(params, None, inputs, queries, query_mask=mask)
  others = jnp.arange(O) != 2
  np.testing.assert_allclose(masked[:, others], free[:, others], atol=1e-6)
  assert float(jnp.abs(masked[:, 2] - free[:, 2]).max()) > 1e-3


def test_examples_do_not_see_each_other(io):
  params, call, *_ = io
  inputs, queries = data()
  whole = call(params, None, inputs, queries)
  alone = call(params, None, (inputs[0][:1], inputs[1]), (queries[0][:1],))
  np.testing.assert_allclose(alone, whole[:1], atol=1e-5)


def test_encoding_then_decoding_is_applying(io):
  params, call, encode, decode = io
  inputs, queries = data()
  latents = encode(params, None, inputs)
  assert latents.shape == (B, 5, 8)
  found = decode(params, None, latents, queries)
  np.testing.assert_allclose(
    found, call(params, None, inputs, queries), atol=1e-6
  )


def test_compiled_or_not_the_numbers_are_the_same(io):
  params, call, *_ = io
  inputs, queries = data()
  with jax.disable_jit():
    plain = call(params, None, inputs, queries)
  np.testing.assert_allclose(
    plain, call(params, None, inputs, queries), atol=1e-5
  )


CONFIGS = {
  "io": {},
  "cross_attends_interleaved": {
    "num_cross_attends": 2,
    "num_blocks": 4,
    "mean": True,
  },
  "cross_attends_every_block": {
    "num_cross_attends": 3,
    "num_blocks": 3,
    "mean": True,
  },
  "cross_attends_at_start": {
    "num_cross_attends": 3,
    "num_blocks": 2,
    "mean": True,
    "arrangement": encoder.Arrangement.AT_START,
  },
  "nothing_shared": {
    "num_cross_attends": 2,
    "num_blocks": 2,
    "mean": True,
    "share_weights": False,
  },
  "cross_attends_only": {
    "num_cross_attends": 2,
    "num_blocks": 2,
    "num_self_attends_per_block": 0,
    "mean": True,
    "share_weights": False,
  },
}


@pytest.mark.parametrize("name", CONFIGS)
def test_reference_gives_the_same_outputs_and_gradients(name):
  config = tiny_networks.perceiver_config(**CONFIGS[name])
  params, (call, *_) = build(config)
  _, (in_papers_order, *_) = build(config, as_reference=True)
  objective = lambda function: jax.jit(
    jax.value_and_grad(lambda p: jnp.sum(jnp.sin(function(p, None, *data()))))
  )(params)
  found, expected = objective(call), objective(in_papers_order)
  chex.assert_trees_all_close(found, expected, rtol=1e-7, atol=1e-4)


def test_cross_attends_and_blocks_alternate():
  config = tiny_networks.perceiver_config(
    num_cross_attends=3, num_blocks=4, mean=True
  )
  assert config.schedule == (1, 1, 1, 0)
  params, (_, encode, _) = build(config)
  inputs = tuple(part[:1] for part in data()[0])
  # The same blocks, called one at a time in plain Python.
  attend = hk.transform(
    lambda x, name: blocks.CrossAttentionBlock(
      config.encoder.cross_attention, name=name
    )(x, inputs)
  )
  process = hk.transform(
    lambda x: processor.Processor(config.processor, name="processor")(x)
  )
  inside = {
    module.removeprefix("net/"): entries for module, entries in params.items()
  }
  x = params["net/latents"]["embeddings"][None]
  later = "later_cross_attention"
  for name in ("cross_attention", later, later, None):
    if name is not None:
      x = attend.apply(inside, None, x, name)
    x = process.apply(inside, None, x)
  np.testing.assert_allclose(encode(params, None, inputs), x, atol=1e-5)


@pytest.mark.parametrize("share_weights", [True, False])
def test_attention_maps_of_every_cross_attend(share_weights):
  """Of the same blocks, called one at a time in plain Python."""
  config = tiny_networks.perceiver_config(
    num_cross_attends=3, num_blocks=3, mean=True, share_weights=share_weights
  )
  params, _ = build(config)
  inputs = data()[0]
  settings = config.encoder.cross_attention
  see, attend = (
    hk.transform(
      lambda x, name, call=call: call(
        blocks.CrossAttentionBlock(settings, name=name)
      )(x, inputs)
    )
    for call in (lambda block: block.attention_map, lambda block: block)
  )
  process = hk.transform(
    lambda x: processor.Processor(config.processor, name="processor")(x)
  )
  found = hk.without_apply_rng(
    hk.transform(
      lambda number: network.Perceiver(config, name="net").attention_map(
        inputs, cross_attend=number
      )
    )
  )
  maps = jax.jit(found.apply)
  x = jnp.broadcast_to(params["net/latents"]["embeddings"], (B, 5, 8))
  for number in range(3):
    inside = {}
    for module, entries in params.items():
      short = module.removeprefix("net/").removeprefix("stack/")
      stacked = module.startswith("net/stack/")
      inside[short] = {
        k: v[number] if stacked else v for k, v in entries.items()
      }
    later = share_weights and number
    name = "later_cross_attention" if later else "cross_attention"
    expected = see.apply(inside, None, x, name)
    assert expected.shape == (B, 1, 5, M)
    np.testing.assert_allclose(maps(params, number), expected, atol=1e-6)
    x = process.apply(inside, None, attend.apply(inside, None, x, name))
  first = found.apply(params, 0)
  np.testing.assert_allclose(first, maps(params, 0), atol=1e-6)


def test_cross_attends_may_all_come_before_the_blocks():
  config = tiny_networks.perceiver_config(
    num_cross_attends=3, num_blocks=4, arrangement=encoder.Arrangement.AT_START
  )
  assert config.schedule == (3, 0, 0, 0)


def count(config):
  params, _ = build(config)
  return sum(x.size for x in jax.tree.leaves(params))


def test_sharing_adds_no_parameters_and_not_sharing_multiplies_them():
  once = count(tiny_networks.perceiver_config(mean=True))
  twice = count(
    tiny_networks.perceiver_config(mean=True, num_cross_attends=2, num_blocks=2)
  )
  four = count(
    tiny_networks.perceiver_config(mean=True, num_cross_attends=4, num_blocks=4)
  )
  repeats = count(tiny_networks.perceiver_config(mean=True, num_blocks=4))
  assert repeats == once
  assert twice == four > once  # one set of weights for all later ones
  options = {"mean": True, "share_weights": False}
  two = count(
    tiny_networks.perceiver_config(num_cross_attends=2, num_blocks=2, **options)
  )
  three = count(
    tiny_networks.perceiver_config(num_cross_attends=3, num_blocks=3, **options)
  )
  assert three - two == two - once


def test_shared_weights_act_in_every_block():
  config = tiny_networks.perceiver_config(
    num_cross_attends=4, num_blocks=4, mean=True
  )
  params, (call, *_) = build(config)
  gradient = jax.grad(lambda p: call(p, None, *data()).sum())(params)
  assert all(
    bool(jnp.any(x != 0)) for x in jax.tree.leaves(gradient) if x.ndim > 1
  )


def test_rematerialisation_changes_no_number():
  gradients = []
  for remat in rematerialisation.Remat:
    params, (call, *_) = build(tiny_networks.perceiver_config(remat=remat))
    gradients.append(
      jax.jit(jax.grad(lambda p, call=call: call(p, None, *data()).sum()))(
        params
      )
    )
  for first, *others in zip(*map(jax.tree.leaves, gradients), strict=True):
    for other in others:
      np.testing.assert_allclose(first, other, atol=1e-5)


def test_rematerialisation_computes_the_stated_part_again():
  counts = []
  for remat in rematerialisation.Remat:
    params, (call, *_) = build(tiny_networks.perceiver_config(remat=remat))
    gradient = jax.grad(lambda p, call=call: call(p, None, *data()).sum())
    counts.append(flops.count(gradient, params))
  nothing, attention, everything = counts
  assert nothing < attention < everything


def test_no_key_is_needed_unless_something_is_random():
  config = tiny_networks.perceiver_config(dropout_rate=0.5)
  params, (call, *_) = build(config)
  evaluated = call(params, None, *data())
  _, (train, *_) = build(tiny_networks.perceiver_config(), is_training=True)
  trained = train(params, None, *data())  # nothing is drawn
  np.testing.assert_allclose(trained, evaluated, atol=1e-6)


def test_dropout_is_drawn_from_the_key():
  config = tiny_networks.perceiver_config(
    dropout_rate=0.5,
    attention_dropout_rate=0.5,
    num_cross_attends=2,
    num_blocks=2,
  )
  params, (call, *_) = build(config, is_training=True)
  first, second, again = (
    call(params, jax.random.key(i), *data()) for i in (0, 1, 0)
  )
  np.testing.assert_array_equal(first, again)
  assert float(jnp.abs(first - second).max()) > 1e-3


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"num_cross_attends": 0}, "num_cross_attends is 0"),
    ({"num_blocks": 0}, "num_blocks is 0; expected at least 1"),
    (
      {"share_weights": False, "num_cross_attends": 2, "num_blocks": 4},
      "expected the same number of cross-attends before every block",
    ),
    ({"num_heads": 5}, "5 heads do not divide"),
  ],
)
def test_impossible_configurations_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    tiny_networks.perceiver_config(**changes)


def test_parts_that_do_not_fit_are_refused():
  config = tiny_networks.perceiver_config()
  with pytest.raises(ValueError, match="channels is 9; expected the encoder"):
    dataclasses.replace(
      config,
      processor=processor.ProcessorConfig(
        channels=9,
        num_self_attends_per_block=1,
        self_attention=blocks.SelfAttentionConfig(num_heads=3),
      ),
    )
  params, (call, *_) = build(config)
  (features, positions), queries = data()
  with pytest.raises(ValueError, match="6 channels in all"):
    call(params, None, (features,), queries)
  with pytest.raises(ValueError, match=r"queries have 3 channels; expected 4"):
    call(params, None, (features, positions), (queries[0][..., :3],))
