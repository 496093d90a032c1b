"""Laws of inputs that have the embeddings of the elements before them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import position_encoding
from perceiver.autoregressive import decoding
from perceiver.checkpoints.deepmind import files
from perceiver.models import perceiver_ar

CONTEXT, LATENTS, WIDTH = 12, 5, 4
CONFIG = perceiver_ar.perceiver_ar(
  context=CONTEXT,
  num_latents=LATENTS,
  num_layers=2,
  convolution_width=WIDTH,
  positions=position_encoding.Rotary(max_wavelength=CONTEXT),
  vocab_size=11,
  channels=16,
  num_heads=2,
)
ELEMENTS = np.random.default_rng(0).integers(1, 11, (2, CONTEXT))


def random_model(config):
  """Returns a model none of whose parameters is zero, and its parameters."""
  model = perceiver.create(config)
  variables = model.init(jax.random.key(0))
  leaves, structure = jax.tree.flatten(variables.params)
  keys = jax.random.split(jax.random.key(1), len(leaves))
  leaves = [
    0.3 * jax.random.normal(key, x.shape) for key, x in zip(keys, leaves)
  ]
  params = jax.tree.unflatten(structure, leaves)
  return model, variables._replace(params=params)


def test_an_embedding_is_the_sum_of_those_of_the_last_elements():
  _, variables = random_model(CONFIG)
  weights = decoding.Decoder(CONFIG).weights(variables.params).shared
  assert len(weights.preceding) == WIDTH - 1
  tables = (weights.tokens, *weights.preceding)
  elements = np.concatenate([np.zeros((2, WIDTH - 1), int), ELEMENTS], axis=1)
  steps = jnp.zeros((2, CONTEXT, 1))
  found = weights.embed(CONFIG.positions, jnp.asarray(elements), steps)
  for step in range(CONTEXT):
    expected = sum(
      np.asarray(table)[elements[:, step + WIDTH - 1 - back]]
      for back, table in enumerate(tables)
    )
    np.testing.assert_allclose(found[:, step], expected, rtol=1e-5)


def test_an_element_changes_its_own_logits_and_later_ones_only():
  model, variables = random_model(CONFIG)
  logits = np.asarray(model.apply(variables, ELEMENTS))
  for step in range(CONTEXT - LATENTS, CONTEXT):
    changed = ELEMENTS.copy()
    changed[:, step] = changed[:, step] % 10 + 1
    moved = np.abs(np.asarray(model.apply(variables, changed)) - logits)
    first = step - (CONTEXT - LATENTS)
    assert (moved[:, :first] == 0).all()
    assert (moved[:, first:].max(axis=-1) > 1e-3).all()


def test_padding_changes_nothing():
  model, variables = random_model(CONFIG)
  padded = ELEMENTS.copy()
  padded[:, -3:] = 0
  alone = model.apply(variables, padded[:, :-3])
  np.testing.assert_allclose(
    model.apply(variables, padded), alone, atol=1e-5, rtol=1e-5
  )


def test_without_the_tables_of_elements_before_it_is_the_published_model():
  model, variables = random_model(CONFIG)
  params = {
    name: jax.tree.map(jnp.zeros_like, x) if name.endswith("_before") else x
    for name, x in variables.params.items()
  }
  wide = model.apply(variables._replace(params=params), ELEMENTS)
  published = perceiver.create(dataclasses.replace(CONFIG, convolution_width=1))
  kept = {k: x for k, x in params.items() if not k.endswith("_before")}
  assert len(kept) == len(params) - (WIDTH - 1)
  narrow = published.apply(variables._replace(params=kept), ELEMENTS)
  np.testing.assert_array_equal(wide, narrow)
  assert np.abs(wide - model.apply(variables, ELEMENTS)).max() > 1e-2


def programs(decoder):
  """Returns compiled functions; the last argument is a number of latents."""
  return (
    jax.jit(decoder.prime, static_argnums=4),
    jax.jit(decoder.step),
    jax.jit(decoder.step_and_refill, static_argnums=2),
  )


@pytest.mark.parametrize("refill", [False, True])
def test_cached_steps_equal_one_pass(refill):
  """M − N + 1 inputs read with one latent, then N − 1 steps; and refills."""
  model, variables = random_model(CONFIG)
  decoder = decoding.Decoder(CONFIG)
  weights = decoder.weights(variables.params)
  prime, advance, advance_and_refill = programs(decoder)
  starts = jnp.array([0, 2])
  elements = np.where(np.arange(CONTEXT) < starts[:, None], 0, ELEMENTS)
  read = CONTEXT - LATENTS + 1
  state, logits = prime(
    weights, jnp.asarray(elements), starts, jnp.int32(read), 1
  )
  found = [logits]
  for step in range(1, LATENTS):
    if refill:
      state, logits = advance_and_refill(weights, state, step + 1)
    else:
      state, logits = advance(weights, state)
    found.append(logits)
  expected = [
    model.apply(variables, np.pad(row[start:], (0, start))[None])[0]
    for row, start in zip(elements, starts)
  ]
  np.testing.assert_allclose(
    np.stack(found, axis=1), np.stack(expected), atol=1e-5
  )


def test_cached_inputs_know_elements_before_the_context():
  """Reading a long prompt at once equals reading its end step by step."""
  _, variables = random_model(CONFIG)
  decoder = decoding.Decoder(CONFIG)
  weights = decoder.weights(variables.params)
  elements = np.concatenate([ELEMENTS, ELEMENTS[:, ::-1]], axis=1)
  starts, length = jnp.array([0, 2]), elements.shape[1]
  prime, _, advance_and_refill = programs(decoder)
  read = lambda time, all_elements: prime(
    weights, jnp.asarray(all_elements), starts, jnp.int32(time), LATENTS
  )
  _, expected = read(length, elements)
  state, _ = read(length - CONTEXT // 2, elements)
  for _ in range(CONTEXT // 2):
    state, logits = advance_and_refill(weights, state, LATENTS)
  np.testing.assert_allclose(logits, expected, atol=1e-5)
  # The WIDTH − 1 elements before the oldest input matter, no earlier one.
  oldest = length - CONTEXT
  for step, matters in ((oldest - WIDTH + 1, True), (oldest - WIDTH, False)):
    changed = elements.copy()
    changed[:, step] = changed[:, step] % 10 + 1
    _, logits = read(length, changed)
    assert (np.abs(logits - expected).max() > 1e-4) == matters


def test_the_released_form_has_no_convolution(tmp_path):
  model, variables = random_model(CONFIG)
  with pytest.raises(ValueError, match="convolution_width is 4"):
    files.save(tmp_path / "file", model, variables)
  assert not list(tmp_path.iterdir())
