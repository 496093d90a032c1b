"""Models that use the first of their latents only."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import latent_sizes
from perceiver import layers
from perceiver.attention import nested
from perceiver.attention import projections
from perceiver.attention import rotary_attention
from tests.helpers import nested_models
from tests.helpers import noise
from tests.helpers import tiny_points


def cut(variables, count):
  """Returns variables with the first rows of the table of latents."""
  (name,) = [m for m in variables.params if m.endswith("/latents")]
  table = {"embeddings": variables.params[name]["embeddings"][:count]}
  return variables._replace(params={**variables.params, name: table})


def assert_close(found, expected, atol):
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=atol),
    found,
    expected,
  )


@pytest.mark.parametrize("domain", nested_models.CONFIGS)
def test_first_latents_are_those_of_a_smaller_model(domain):
  model = perceiver.Model(nested_models.model_of(nested_models.CONFIGS[domain]))
  variables, inputs = noise.variables(model), nested_models.examples_of(model)
  smaller = perceiver.Model(latent_sizes.with_first(model.config, 5))
  assert latent_sizes.count(smaller.config) == 5
  expected = smaller.apply(cut(variables, 5), *inputs)
  found = model.apply(variables, *inputs, num_latents=5)
  assert_close(found, expected, 1e-6)
  other = model.apply(variables, *inputs)
  different = jax.tree.map(
    lambda x, y: np.abs(x - y).max() > 1e-3, found, other
  )
  assert any(jax.tree.leaves(different))
  assert model.num_flops(num_latents=5) == smaller.num_flops()


@pytest.fixture(scope="module")
def classifier():
  model = perceiver.Model(
    nested_models.model_of(nested_models.CONFIGS["images"])
  )
  return model, noise.variables(model), nested_models.examples_of(model)


def test_latents_are_encoded_and_decoded(classifier):
  model, variables, inputs = classifier
  latents = model.encode(variables, *inputs, num_latents=2)
  assert latents.shape[1] == 2
  found = model.decode(variables, latents)
  expected = model.apply(variables, *inputs, num_latents=2)
  assert_close(found, expected, 1e-6)


def test_a_model_may_state_its_number(classifier):
  model, variables, inputs = classifier
  small = dataclasses.replace(model, num_latents=2)
  expected = model.apply(variables, *inputs, num_latents=2)
  np.testing.assert_array_equal(small.apply(variables, *inputs), expected)
  assert small.num_flops() == model.num_flops(num_latents=2)
  assert small.num_flops() < model.num_flops()
  assert small.attention_map(variables, *inputs).shape[2] == 2
  whole = model.apply(variables, *inputs)
  found = small.apply(variables, *inputs, num_latents=8)
  np.testing.assert_array_equal(found, whole)


def test_all_latents_are_the_same_program(classifier):
  model, variables, inputs = classifier
  assert latent_sizes.with_first(model.config, 8) is model.config
  found = model.apply(variables, *inputs, num_latents=8)
  np.testing.assert_array_equal(found, model.apply(variables, *inputs))


def test_no_gradient_reaches_other_latents(classifier):
  model, variables, inputs = classifier

  def loss(params):
    changed = variables._replace(params=params)
    return (model.apply(changed, *inputs, num_latents=2) ** 2).sum()

  grads = jax.grad(loss)(variables.params)
  (name,) = [m for m in grads if m.endswith("/latents")]
  rows = np.abs(grads[name]["embeddings"]).max(axis=1)
  assert (rows[:2] > 0).all()
  assert (rows[2:] == 0).all()


@pytest.mark.parametrize(
  "changes", [{}, {"qk_channels": 16, "v_channels": 4}], ids=["same", "widths"]
)
@pytest.mark.parametrize("reference", [False, True])
def test_nested_sizes_are_those_of_one_pass(changes, reference):
  config = nested_models.model_of(
    nested_models.CONFIGS["images"], nested_sizes=nested_models.SIZES, **changes
  )
  model = perceiver.Model(config, reference=reference)
  variables, inputs = noise.variables(model), nested_models.examples_of(model)
  whole = model.encode(variables, *inputs)
  for size in nested_models.SIZES:
    found = model.encode(variables, *inputs, num_latents=size)
    assert_close(found, whole[:, :size], 1e-5)
    expected = model.apply(variables, *inputs, num_latents=size)
    assert_close(model.decode(variables, whole[:, :size]), expected, 1e-5)


def test_nested_latents_attend_to_earlier_ones_only():
  """Latents that are not nested depend on all."""
  for sizes, is_nested in ((nested_models.SIZES, True), ((), False)):
    config = nested_models.model_of(
      nested_models.CONFIGS["images"], nested_sizes=sizes
    )
    model = perceiver.Model(config)
    variables = noise.variables(model)
    (name,) = [m for m in variables.params if m.endswith("/latents")]

    def encoded(table, model=model, variables=variables, name=name):
      params = {**variables.params, name: {"embeddings": table}}
      changed = variables._replace(params=params)
      inputs = nested_models.examples_of(model)
      return model.encode(changed, *inputs)[0]  # [N, D]

    table = variables.params[name]["embeddings"]
    jacobian = jax.jacrev(lambda x: encoded(x).sum(axis=-1))(table)
    influence = np.abs(jacobian).max(axis=-1)  # [N, N]
    groups = np.searchsorted(nested_models.SIZES, np.arange(8), side="right")
    allowed = groups[:, None] >= groups[None]
    assert (influence[allowed] > 0).all()
    assert (influence[~allowed] == 0).all() == is_nested


@pytest.fixture(scope="module")
def self_attention():
  """Settings, weights and latents of a self-attention that drops half."""
  config = projections.AttentionConfig(
    num_heads=2,
    qk_channels=8,
    v_channels=4,
    output_channels=6,
    dropout_rate=0.5,
  )
  keys = iter(jax.random.split(jax.random.key(0), 9))
  normal = lambda *shape: jax.random.normal(next(keys), shape)
  linear = lambda *shape: layers.LinearWeights(normal(*shape), normal(shape[1]))
  weights = projections.AttentionWeights(
    *(linear(*shape) for shape in ((6, 8), (6, 8), (6, 4), (4, 6)))
  )
  return config, weights, normal(3, 8, 6)


def test_nested_latents_equal_an_explicit_mask(self_attention):
  """The mask holds between every two groups, with scores all at once."""
  config, weights, x = self_attention
  queries, keys, values = (
    jnp.swapaxes(projections.split_heads(part(x), config), 1, 2)
    for part in (weights.query, weights.key, weights.value)
  )
  groups = np.searchsorted(nested_models.SIZES, np.arange(8), side="right")
  visible = jnp.asarray(groups[:, None] >= groups)[None, None]
  attended = rotary_attention.attend_at_once(
    queries * config.scale, keys, values, jnp.repeat(visible, 3, 0)
  )
  joined = projections.join_heads(jnp.swapaxes(attended, 1, 2))
  found = nested.attend(config, weights, x, nested_models.SIZES)
  assert_close(found, weights.output(joined), 1e-5)


def test_dropout_of_nested_latents(self_attention):
  """It depends on the key, and not on the number of groups."""
  config, weights, x = self_attention
  attend = functools.partial(nested.attend, config, weights)
  found, other = (
    attend(x, nested_models.SIZES, jax.random.key(i)) for i in (0, 1)
  )
  for start, end in zip((0, *nested_models.SIZES), nested_models.SIZES):
    assert np.abs(found - other)[:, start:end].max() > 1e-3
  fewer = attend(x[:, :5], nested_models.SIZES[:-1], jax.random.key(0))
  np.testing.assert_array_equal(found[:, :5], fewer)
  keys = jax.random.split(jax.random.key(2), 4000)
  samples = jax.vmap(lambda key: attend(x, nested_models.SIZES, key))(keys)
  standard_error = samples.std(axis=0) / np.sqrt(len(keys))
  error = jnp.abs(samples.mean(axis=0) - attend(x, nested_models.SIZES))
  assert (error < 5 * standard_error).all()


def test_a_single_group_is_not_nested():
  config = nested_models.model_of(
    nested_models.CONFIGS["images"], nested_sizes=(8,)
  )
  plain = nested_models.model_of(nested_models.CONFIGS["images"])
  models = perceiver.Model(config), perceiver.Model(plain)
  variables = noise.variables(models[0])
  inputs = nested_models.examples_of(models[0])
  found, expected = (m.encode(variables, *inputs) for m in models)
  np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("count", [0, 9, -1])
def test_other_numbers_are_refused(classifier, count):
  model, variables, inputs = classifier
  with pytest.raises(ValueError, match=r"num_latents is .*; expected 1 to 8"):
    model.apply(variables, *inputs, num_latents=count)


def test_sizes_between_nested_ones_are_refused():
  config = nested_models.model_of(
    nested_models.CONFIGS["images"], nested_sizes=nested_models.SIZES
  )
  with pytest.raises(ValueError, match=r"num_latents is 3; expected one of"):
    latent_sizes.with_first(config, 3)


@pytest.mark.parametrize("sizes", [(1, 2), (2, 1, 8), (0, 8), (8, 8)])
def test_impossible_nested_sizes_are_refused(sizes):
  with pytest.raises(ValueError, match=r"nested_sizes is .+ ascending"):
    nested_models.model_of(nested_models.CONFIGS["images"], nested_sizes=sizes)


def test_a_model_without_latents_is_refused():
  model = perceiver.create(tiny_points.point_net())
  with pytest.raises(ValueError, match="PointNetConfig has no latents"):
    model.num_flops(num_latents=2)


def test_many_sizes_are_no_grid():
  """The product of a grid's sides is bounded, that of sizes is not."""
  sizes = tuple(2**i for i in range(4, 11))
  config = perceiver.create("optical_flow").config
  stack = dataclasses.replace(
    config.perceiver.processor.self_attention, nested_sizes=(*sizes, 2048)
  )
  processor = dataclasses.replace(
    config.perceiver.processor, self_attention=stack
  )
  network_config = dataclasses.replace(config.perceiver, processor=processor)
  config = dataclasses.replace(config, perceiver=network_config)
  assert latent_sizes.count(latent_sizes.with_first(config, 64)) == 64
