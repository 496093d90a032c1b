"""The three parts of the network, each on its own."""

import dataclasses
import functools

import chex
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import processor
from perceiver import rematerialisation
from tests.helpers import fill

B, N, D, E, O = 2, 5, 8, 4, 7


def normal(seed, *shape):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


LATENTS = jnp.asarray(normal(0, B, N, D))


def filled(init, *args):
  """Returns parameters that are all random, without compiling anything."""
  tree = jax.eval_shape(init, jax.random.key(0), *args)
  return fill.parameters("parts", jax.tree.map(jnp.shape, tree))


# --------------------------------------------------------------------- encoder

ENCODER = encoder.EncoderConfig(
  input_channels=6, num_latents=N, latent_channels=D
)


@pytest.mark.parametrize(
  ("cross_attends", "num_blocks", "expected"),
  [
    (1, 1, (1,)),
    (1, 8, (1, 0, 0, 0, 0, 0, 0, 0)),
    (2, 8, (1, 0, 0, 0, 1, 0, 0, 0)),
    (4, 8, (1, 0, 1, 0, 1, 0, 1, 0)),
    (8, 8, (1, 1, 1, 1, 1, 1, 1, 1)),
    (3, 4, (1, 1, 1, 0)),
    (4, 2, (2, 2)),
  ],
)
def test_cross_attends_are_interleaved(cross_attends, num_blocks, expected):
  config = dataclasses.replace(ENCODER, num_cross_attends=cross_attends)
  assert config.cross_attends_per_block(num_blocks) == expected
  at_start = dataclasses.replace(
    config, arrangement=encoder.Arrangement.AT_START
  )
  found = at_start.cross_attends_per_block(num_blocks)
  assert found == (cross_attends,) + (0,) * (num_blocks - 1)


def test_cross_attends_are_neither_lost_nor_late():
  for cross_attends in range(1, 13):
    config = dataclasses.replace(ENCODER, num_cross_attends=cross_attends)
    for num_blocks in range(1, 13):
      schedule = config.cross_attends_per_block(num_blocks)
      assert len(schedule) == num_blocks
      assert sum(schedule) == cross_attends
      assert schedule[0] >= 1
      assert max(schedule) - min(schedule) <= 1


def test_latents_are_learned_and_the_same_for_every_example():
  net = hk.transform(
    lambda: encoder.initial_latents(ENCODER, 3, jnp.dtype("bfloat16"))
  )
  params = jax.jit(net.init)(jax.random.key(0))
  table = params["latents"]["embeddings"]
  assert table.shape == (N, D)
  assert table.dtype == jnp.float32
  found = net.apply(params, None)
  assert found.dtype == jnp.bfloat16
  expected = np.broadcast_to(table.astype(jnp.bfloat16), (3, N, D))
  np.testing.assert_array_equal(found, expected)


def test_latents_start_at_the_scale_of_the_config():
  config = dataclasses.replace(
    ENCODER, num_latents=200, latent_channels=50, latent_init_scale=0.5
  )
  net = hk.transform(
    lambda: encoder.initial_latents(config, 1, jnp.dtype("float32"))
  )
  table = jax.jit(net.init)(jax.random.key(0))["latents"]["embeddings"]
  assert float(jnp.abs(table).max()) <= 1.0  # two deviations
  assert 0.42 < float(jnp.std(table)) < 0.51


# ------------------------------------------------------------------- processor

PROCESSOR = processor.ProcessorConfig(
  channels=D,
  num_self_attends_per_block=2,
  self_attention=blocks.SelfAttentionConfig(num_heads=2),
)


@functools.lru_cache
def process(config, is_training=False):
  net = hk.transform(
    lambda x: blocks.repeat(
      config.num_blocks,
      processor.Processor(config, is_training, name="processor"),
      x,
    )
  )
  return filled(net.init, LATENTS), jax.jit(net.apply)


def test_blocks_are_their_layers_in_a_row():
  config = dataclasses.replace(PROCESSOR, num_blocks=3)
  params, apply = process(config)
  layer = jax.jit(
    hk.transform(
      lambda x: blocks.SelfAttentionBlock(
        config.self_attention, name="self_attention"
      )(x)
    ).apply
  )
  x = LATENTS
  for _ in range(3):
    for i in range(2):
      one = {
        name.removeprefix("processor/stack/"): {
          n: p[i] for n, p in entries.items()
        }
        for name, entries in params.items()
      }
      x = layer(one, None, x)
  np.testing.assert_allclose(apply(params, None, LATENTS), x, atol=2e-5)


def test_blocks_share_parameters_and_layers_do_not():
  size = lambda config: sum(x.size for x in jax.tree.leaves(process(config)[0]))
  one = size(dataclasses.replace(PROCESSOR, num_self_attends_per_block=1))
  assert (
    size(dataclasses.replace(PROCESSOR, num_self_attends_per_block=3))
    == 3 * one
  )
  assert size(dataclasses.replace(PROCESSOR, num_blocks=5)) == size(PROCESSOR)
  # Four projections, two of the MLP, two norms.
  assert one == 6 * (D * D + D) + 2 * 2 * D


@pytest.mark.parametrize("remat", list(rematerialisation.Remat))
@pytest.mark.parametrize("length", [1, 3])
def test_gradients_of_stacked_layers(length, remat):
  config = dataclasses.replace(
    PROCESSOR, num_self_attends_per_block=length, remat=remat
  )
  params, apply = process(config)
  layer = hk.transform(
    lambda x: blocks.SelfAttentionBlock(
      config.self_attention, name="self_attention"
    )(x)
  ).apply

  def unrolled(params, key, x):
    for i in range(length):
      one = jax.tree.map(lambda p, i=i: p[i], params)
      inside = {k.removeprefix("processor/stack/"): p for k, p in one.items()}
      x = layer(inside, key, x)
    return x

  gradient = lambda function: jax.jit(
    jax.grad(lambda p, x: jnp.sum(jnp.sin(function(p, None, x))), (0, 1))
  )(params, LATENTS)
  found, expected = gradient(apply), gradient(unrolled)
  chex.assert_trees_all_close(found, expected, rtol=1e-7, atol=1e-4)


def test_every_layer_starts_from_values_of_its_own():
  net = hk.transform(lambda x: processor.Processor(PROCESSOR)(x))
  params = jax.jit(net.init)(jax.random.key(0), LATENTS)
  first, second = params["processor/stack/self_attention/mlp/hidden"]["w"]
  assert float(jnp.abs(first - second).max()) > 0.1


@pytest.mark.parametrize("times", [0, 1, 2, 5])
def test_repeating_applies_the_same_function_again(times):
  net = hk.transform(lambda x: blocks.repeat(times, lambda y: 2 * y, x))
  found = net.apply({}, None, LATENTS)
  np.testing.assert_array_equal(found, 2**times * LATENTS)
  with jax.disable_jit():
    plain = net.apply({}, None, LATENTS)
  np.testing.assert_array_equal(plain, found)


def test_a_processor_without_layers_does_nothing():
  params, apply = process(
    dataclasses.replace(PROCESSOR, num_self_attends_per_block=0)
  )
  assert not params
  np.testing.assert_array_equal(apply(params, None, LATENTS), LATENTS)


def test_permuting_latents_permutes_the_result():
  params, apply = process(PROCESSOR)
  order = np.array([3, 1, 4, 0, 2])
  np.testing.assert_allclose(
    apply(params, None, LATENTS[:, order]),
    np.asarray(apply(params, None, LATENTS))[:, order],
    atol=1e-5,
  )


@pytest.mark.parametrize(
  "changes", [{"num_self_attends_per_block": 2}, {"num_blocks": 2}]
)
def test_layers_and_blocks_drop_different_entries(changes):
  dropping = blocks.SelfAttentionConfig(num_heads=2, dropout_rate=0.5)
  config = dataclasses.replace(
    PROCESSOR,
    **{"num_self_attends_per_block": 1, "self_attention": dropping} | changes,
  )
  params, apply = process(config, True)
  # Every attention adds 1, every MLP nothing, before dropout.
  params = jax.tree.map(np.zeros_like, params)
  bias = params["processor/stack/self_attention/attention/output"]["b"]
  params["processor/stack/self_attention/attention/output"]["b"] = bias + 1
  added = np.asarray(apply(params, jax.random.key(0), LATENTS)) - LATENTS
  shares = [np.isclose(added, n, atol=1e-5).mean() for n in (0, 2, 4)]
  assert sum(shares) == 1
  assert min(shares) > 0.1  # 0 and 4 alone if the draws were the same


# --------------------------------------------------------------------- decoder

DECODER = decoder.DecoderConfig(query_channels=E, output_channels=3)
QUERIES = (normal(1, B, O, 3), normal(2, 1, O, 1))


@functools.lru_cache
def decode(config):
  def run(latents, queries):
    net = decoder.Decoder(config, name="decoder")
    return net(latents, queries)

  net = hk.transform(run)
  return net.init, filled(net.init, LATENTS, QUERIES), jax.jit(net.apply)


def test_decoder_is_a_block_and_a_linear_map():
  _, params, apply = decode(DECODER)
  _, block, whole = decode(dataclasses.replace(DECODER, output_channels=None))
  rest = {k: v for k, v in params.items() if k != "decoder/output"}
  assert jax.tree.map(np.shape, rest) == jax.tree.map(np.shape, block)
  answers = whole(rest, None, LATENTS, QUERIES)  # [B, O, E]
  assert answers.shape == (B, O, E)
  output = params["decoder/output"]
  np.testing.assert_allclose(
    apply(params, None, LATENTS, QUERIES),
    answers @ output["w"] + output["b"],
    atol=1e-5,
  )


def test_queries_in_parts_are_queries_joined():
  _, params, apply = decode(DECODER)
  everywhere = np.broadcast_to(QUERIES[1], (B, O, 1))
  joined = np.concatenate([QUERIES[0], everywhere], axis=-1)
  np.testing.assert_allclose(
    apply(params, None, LATENTS, QUERIES),
    apply(params, None, LATENTS, (joined,)),
    atol=1e-6,
  )


def test_queries_may_be_the_same_for_all_examples():
  _, params, apply = decode(DECODER)
  one = normal(3, 1, O, E)
  found = apply(params, None, LATENTS, (one,))
  assert found.shape == (B, O, 3)
  repeated = apply(params, None, LATENTS, (np.repeat(one, B, axis=0),))
  np.testing.assert_allclose(found, repeated, atol=1e-6)
  assert np.abs(np.subtract(found[0], found[1])).max() > 1e-2


def test_outputs_may_start_at_zero():
  init, _, apply = decode(dataclasses.replace(DECODER, output_init_scale=0.0))
  params = jax.jit(init)(jax.random.key(0), LATENTS, QUERIES)
  assert not np.any(apply(params, None, LATENTS, QUERIES))
  assert np.any(params["decoder/cross_attention/mlp/output"]["w"])


def test_mean_decoder():
  config = decoder.MeanDecoderConfig(output_channels=2)
  net = hk.transform(lambda x: decoder.MeanDecoder(config, name="decoder")(x))
  start = net.init(jax.random.key(0), LATENTS)
  assert not np.any(net.apply(start, None, LATENTS))  # as released
  w, b = normal(4, D, 2), normal(5, 2)
  found = net.apply({"decoder/output": {"w": w, "b": b}}, None, LATENTS)
  expected = LATENTS.sum(1, keepdims=True) / N @ w + b
  np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
  ("config", "changes", "message"),
  [
    (
      ENCODER,
      {"input_channels": 0},
      "EncoderConfig: input_channels is 0; expected at",
    ),
    (
      ENCODER,
      {"num_latents": 0},
      "EncoderConfig: num_latents is 0; expected at least",
    ),
    (
      ENCODER,
      {"latent_channels": -1},
      "EncoderConfig: latent_channels is -1; expected",
    ),
    (
      ENCODER,
      {"cross_attention": blocks.CrossAttentionConfig(num_heads=4)},
      "qk_channels is 6, which 4 heads do not divide",
    ),
    (
      PROCESSOR,
      {"channels": 9},
      "qk_channels is 9, which 2 heads do not divide",
    ),
    (
      PROCESSOR,
      {"num_self_attends_per_block": -1},
      "num_self_attends_per_block is -1; expected at least 0",
    ),
    (DECODER, {"query_channels": 0}, "DecoderConfig: query_channels is 0"),
    (
      DECODER,
      {"output_channels": 0},
      "output_channels is 0; expected at least 1",
    ),
    (
      decoder.MeanDecoderConfig(output_channels=1),
      {"output_channels": 0},
      "MeanDecoderConfig: output_channels is 0; expected at least 1",
    ),
  ],
)
def test_impossible_configurations_are_refused(config, changes, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(config, **changes)
