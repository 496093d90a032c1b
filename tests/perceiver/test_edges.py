"""Nothing, masked NaN, scores of minus infinity, indices beyond 32 bits."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import layers
from perceiver import position_encoding
from perceiver import queries as perceiver_queries
from perceiver.attention import blockwise
from perceiver.attention import cross_attention
from perceiver.attention import projections
from perceiver.attention import reference
from tests.helpers import tiny_audioset
from tests.helpers import tiny_battles
from tests.helpers import tiny_models
from tests.helpers import tiny_networks
from tests.helpers import tiny_points
from tests.helpers import tiny_video
from tests.perceiver import test_network

B, M = 2, 12
CONFIGS = {
  "images": tiny_models.classifier,
  "images_conv": lambda: tiny_networks.conv_classifier().config,
  "text": tiny_models.language_model,
  "flow": tiny_models.flow_model,
  "points": tiny_points.model_config,
  "clips": tiny_audioset.model_config,
  "raw_audio": lambda: tiny_audioset.model_config(tiny_audioset.RAW),
  "video": tiny_video.config,
  "entities": tiny_battles.policy_config,
}


@functools.lru_cache
def build(name):
  """Returns a model and variables, none of them zero."""
  model = perceiver.create(CONFIGS[name]())
  shapes = model.shapes()
  normal = np.random.default_rng(0).normal
  return model, jax.tree.map(
    lambda x: jnp.asarray(normal(size=x.shape) / 4, x.dtype), shapes
  )


@pytest.mark.parametrize("is_training", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_no_examples_give_no_results(name, is_training):
  model, variables = build(name)
  call = functools.partial(model.apply, is_training=is_training)
  found, one = (
    jax.eval_shape(
      lambda v, *x: call(v, *x, rng=jax.random.key(0)),
      variables,
      *model.config.example(batch_size),
    )
    for batch_size in (0, 1)
  )
  for empty, single in zip(jax.tree.leaves(found), jax.tree.leaves(one)):
    assert empty.shape == (0, *single.shape[1:])


@pytest.mark.parametrize("name", ["points", "text"])
def test_no_examples_are_computed(name):
  model, variables = build(name)
  empty = jax.tree.map(
    lambda x: np.zeros(x.shape, x.dtype), model.config.example(0)
  )
  assert jax.tree.leaves(model.apply(variables, *empty))[0].shape[0] == 0


def test_no_queries_give_no_outputs():
  model, variables = build("text")
  latents = jnp.zeros((B, 4, 8))
  nowhere = np.zeros([0], np.int32)
  assert model.decode(variables, latents, positions=nowhere).shape == (
    B,
    0,
    262,
  )


@pytest.mark.parametrize("as_reference", [False, True])
def test_no_inputs_are_refused(as_reference):
  config = tiny_points.model_config()
  model = perceiver.Model(config, reference=as_reference)
  with pytest.raises(ValueError, match="at least one input"):
    model.apply(build("points")[1], jnp.zeros((B, 0, 3)))


def masked_entries(name):
  """Returns examples, their masked entries, and the options of `apply`."""
  model, _ = build(name)
  normal = np.random.default_rng(1).normal
  if name == "points":
    mask = jnp.arange(M) < jnp.array([[7], [12]])
    return jnp.asarray(normal(size=(B, M, 3)), "f"), ~mask, {"mask": mask}
  if name == "text":
    mask = jnp.arange(64) < jnp.array([[40], [64]])
    return jnp.ones((B, 64), jnp.int32), ~mask, {"input_mask": mask}
  assert name == "clips"
  mask = {"audio": jnp.array([True, False])}
  shapes = model.config.example(B)[0]
  examples = jax.tree.map(
    lambda x: jnp.asarray(normal(size=x.shape), "f"), shapes
  )
  return (
    examples,
    {"audio": ~mask["audio"], "video": jnp.zeros(B, bool)},
    {"mask": mask},
  )


def poison(examples, where):
  """Puts NaN, or an impossible index, into some entries."""

  def put(x, bad):
    bad = jnp.expand_dims(bad, range(bad.ndim, x.ndim))
    worst = jnp.nan if jnp.issubdtype(x.dtype, jnp.floating) else -7
    return jnp.where(bad, jnp.asarray(worst, x.dtype), x)

  return jax.tree.map(put, examples, where)


@pytest.mark.parametrize("name", ["points", "text", "clips"])
def test_masked_nan_reaches_neither_outputs_nor_gradients(name):
  model, variables = build(name)
  examples, masked, options = masked_entries(name)

  def loss(variables, examples):
    outputs = model.apply(variables, examples, **options)
    return jnp.sum(jnp.sin(outputs)), outputs

  compute = jax.jit(jax.grad(loss, has_aux=True))
  gradients, outputs = compute(variables, examples)
  chex.assert_tree_all_finite((gradients, outputs))
  found = compute(variables, poison(examples, masked))
  chex.assert_trees_all_equal(found, (gradients, outputs))


@pytest.mark.parametrize("kind", ["folds", "projects", "reference"])
def test_masked_nan_in_the_inputs_of_a_network(kind):
  changes = {"num_heads": 3} if kind == "projects" else {}
  config = tiny_networks.perceiver_config(**changes)
  params, (call, *_) = test_network.build(config)
  (inputs, positions), queries = test_network.data()
  mask = jnp.arange(test_network.M)[None] < jnp.array([[25], [31]])
  key = jax.random.key(0)

  def loss(params, inputs, positions):
    with reference.implementation(kind == "reference"):
      outputs = call(params, key, (inputs, positions), queries, input_mask=mask)
    return jnp.sum(outputs**2)

  compute = jax.jit(jax.value_and_grad(loss, (0, 1, 2)))
  expected = compute(params, inputs, positions)
  chex.assert_tree_all_finite(expected)
  found = compute(params, poison(inputs, ~mask), positions)
  chex.assert_trees_all_equal(found, expected)


def attention_with(scores):
  """Attends with one query whose scores are those, to values 1, 2, 3."""
  config = projections.AttentionConfig(
    num_heads=1, qk_channels=1, v_channels=1, output_channels=1
  )
  one = layers.LinearWeights(jnp.ones((1, 1)), jnp.zeros(1))
  weights = projections.AttentionWeights(one, one, one, one)
  values = jnp.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)

  def attend(queries, values):
    keys = jnp.asarray(scores).reshape(1, 3, 1, 1)
    found = projections.KeysValues(keys, None, values, False, None)
    return projections.attend(config, weights, found, queries)[0, 0, 0]

  return jax.value_and_grad(attend, (0, 1))(jnp.full((1, 1, 1), 1e30), values)


def test_scores_of_minus_infinity_only_give_zeros():
  # The products with a query of 1e30 overflow.
  found = attention_with([-1e30, -2e30, -3e30])
  chex.assert_trees_all_equal(found, jax.tree.map(jnp.zeros_like, found))


def test_a_score_above_minus_infinity_takes_all_weight():
  value, (_, weights) = attention_with([-1e30, 1e-30, -3e30])
  assert value == 2
  np.testing.assert_array_equal(weights.ravel(), [0, 1, 0])


def test_not_a_number_stays_visible():
  assert np.isnan(attention_with([np.nan, 0.0, 0.0])[0])


@pytest.mark.parametrize(
  ("factor", "expected"), [(-1e30, 0.0), (-1e5, 2.0)], ids=["infinite", "huge"]
)
def test_low_scores_by_blocks(factor, expected):
  # Scores of −1e60, which overflow to minus infinity, and of −1e35.
  def project(scale, block):
    return jnp.full((1, 1, *block.shape[1:]), scale), block[:, None]

  def attend(queries, values):
    options = blockwise.Options(project, block_size=2)
    attended, _ = blockwise.attend(
      options, queries, (values,), jnp.float32(factor), None, None
    )
    return attended.sum()

  queries = jnp.full((1, 1, 1, 1), 1e30)
  values = jnp.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
  value, gradient = jax.value_and_grad(attend, 1)(queries, values)
  np.testing.assert_allclose(value, expected)
  np.testing.assert_array_equal(gradient != 0, expected != 0)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("folded", [False, True])
def test_a_head_with_scores_of_minus_infinity_only(folded, masked, monkeypatch):
  monkeypatch.setattr(cross_attention, "_fold_inputs", lambda *_: folded)
  config = projections.AttentionConfig(
    num_heads=2, qk_channels=2, v_channels=2, output_channels=2
  )
  linear = lambda w: layers.LinearWeights(jnp.asarray(w, "f"), jnp.ones(2))
  # The first head's scores are −4e38, the second's are 0.
  weights = projections.AttentionWeights(
    linear([[1e38, 0]]),
    linear([[-2, 0], [2, 0]])._replace(b=jnp.zeros(2)),
    linear([[1, 1], [0, 0]]),
    linear(np.eye(2))._replace(b=jnp.zeros(2)),
  )
  norm = layers.NormWeights(jnp.ones(2), jnp.full(2, 0.5))
  mask = jnp.array([[True, True, False]]) if masked else None

  def attend(value, inputs):
    found = cross_attention.attend(
      config,
      weights._replace(value=value),
      norm,
      jnp.ones((1, 1, 1)),
      (inputs,),
      input_mask=mask,
    )[0, 0]
    return found.sum(), found

  inputs = jnp.tile(jnp.array([9.0, -9.0]), (1, 3, 1))
  compute = jax.value_and_grad(attend, (0, 1), has_aux=True)
  (_, found), (of_value, of_inputs) = compute(weights.value, inputs)
  np.testing.assert_allclose(found, [0, 2.5], rtol=1e-5)
  np.testing.assert_allclose(of_value.b, [0, 1], rtol=1e-5)
  assert jnp.isfinite(of_inputs).all()


FAR = np.array([2**32 + 5])


@pytest.mark.parametrize(
  "take",
  [
    lambda: build("text")[0].decode(
      build("text")[1], jnp.zeros((1, 4, 8)), positions=FAR
    ),
    lambda: build("text")[0].apply(build("text")[1], np.full((1, 9), 2**40)),
    lambda: perceiver_queries.fourier(
      position_encoding.Fourier(num_bands=1, max_resolution=(4, 4)),
      (4, 4),
      FAR,
    ),
    lambda: position_encoding.subsampled(np.array([3]), (2**16, 2**15)),
    lambda: position_encoding.grid_features(
      position_encoding.Fourier(num_bands=1, max_resolution=(4, 4)),
      (2**16, 2**15),
    ),
  ],
  ids=["decode", "ids", "queries", "subsampled", "size"],
)
def test_what_32_bits_cannot_count_is_refused(take):
  with pytest.raises(ValueError, match="at most 2147483647"):
    take()
