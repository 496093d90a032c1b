"""Decoding with caches: released arrays and laws."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver.autoregressive import decoding
from perceiver.autoregressive import sampling
from tests.helpers import perceiver_ar_goldens as goldens

NAMES = ("decode_rotary", "decode_absolute")


@functools.lru_cache
def programs(name, num_inputs=None, num_latents=None):
  """Returns model, variables, decoding weights and compiled functions."""
  model, variables = goldens.model_and_variables(name)
  decoder = decoding.Decoder(model.config, num_inputs, num_latents)
  weights = jax.jit(decoder.weights)(variables.params)
  prime = jax.jit(decoder.prime, static_argnums=4)
  step = jax.jit(decoder.step)
  refill = jax.jit(decoder.step_and_refill, static_argnums=2)
  return model, variables, weights, prime, step, refill


def teacher_forced(name, events, first, held, refills=True, slots=(None, None)):
  """Returns the logits [B, steps, V] and the latents held at each step."""
  *_, weights, prime, step, refill = programs(name, *slots)
  starts = jnp.zeros(len(events), jnp.int32)
  state, logits = prime(weights, events, starts, jnp.int32(first), held)
  found, counts = [logits], [held]
  while first + len(found) < events.shape[1]:
    if refills and counts[-1] == 8:
      state, logits = refill(weights, state, 4)
      counts.append(4)
    else:
      state, logits = step(weights, state)
      counts.append(counts[-1] + 1)
    found.append(logits)
  return np.stack(found, axis=1), counts


@pytest.mark.parametrize("name", NAMES)
def test_cached_logits_are_the_released_ones(name):
  arrays, index = goldens.arrays(name), goldens.INDEX["goldens"][name]
  events = jnp.asarray(arrays["events"])
  found, held = teacher_forced(name, events, 1, 1)
  assert held == index["start_held"]
  assert goldens.relative_error(found, arrays["start_cached"]) < 1e-5
  found, held = teacher_forced(name, events, index["prime"], 1)
  assert held == index["prime_held"][: len(held)]
  expected = arrays["prime_cached"][:, : found.shape[1]]
  assert goldens.relative_error(found, expected) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_caches_may_slide(name):
  arrays = goldens.arrays(name)
  events = jnp.asarray(arrays["events"])
  found, _ = teacher_forced(name, events, 1, 1, refills=False, slots=(10, 4))
  assert goldens.relative_error(found, arrays["slid"]) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_uncached_logits_are_the_released_ones(name):
  arrays = goldens.arrays(name)
  model, variables, *_ = programs(name)
  events = arrays["events"][:, :-1]
  for step in (0, 9, 19):
    inputs = np.where(np.arange(events.shape[1]) <= step, events, 0)
    logits = model.apply(variables, inputs)[:, -1]
    expected = arrays["uncached"][:, step]
    assert goldens.relative_error(logits, expected) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_greedy_sequences_are_the_released_ones(name):
  arrays, index = goldens.arrays(name), goldens.INDEX["goldens"][name]
  model, variables, *_ = programs(name)
  for prompts, expected in (
    (arrays["events"][:, :1], arrays["greedy_cached"]),
    (arrays["events"][:, : index["prime"]], arrays["greedy_primed"]),
  ):
    found = sampling.generate(
      model,
      variables,
      prompts.tolist(),
      expected.shape[1] - prompts.shape[1],
      key=jax.random.key(0),
      config=sampling.SamplingConfig(temperature=0.0),
      policy=sampling.CachePolicy(prime_latents=1),
    )
    np.testing.assert_array_equal(found, expected)


def test_steps_after_a_prompt_equal_one_pass():
  """M − N + 1 inputs read with one latent, then N − 1 steps."""
  model, variables, *_ = programs("decode_rotary")
  arrays = goldens.arrays("decode_rotary")
  inputs = arrays["events"][:, :20]
  count = model.config.num_latents
  found, _ = teacher_forced(
    "decode_rotary", jnp.asarray(arrays["events"]), 20 - count + 1, 1
  )
  expected = model.apply(variables, inputs)
  np.testing.assert_allclose(found[:, :count], expected, atol=1e-5)


def generated(prompts, **options):
  model, variables, *_ = programs("decode_rotary")
  options = {"key": jax.random.key(3)} | options
  return sampling.generate(model, variables, prompts, 10, **options)


def test_shorter_prompts_of_a_batch_change_nothing():
  long, short = list(range(3, 14)), [5, 9, 7]
  together = generated([long, short])
  assert together[0] == generated([long])[0]
  greedy = sampling.SamplingConfig(temperature=0.0)
  together = generated([long, short], config=greedy)
  assert together == [
    generated([prompt], config=greedy)[0] for prompt in (long, short)
  ]


def test_key_decides_and_stop_ends():
  first = generated([[2]])[0]
  assert first == generated([[2]])[0]
  assert first != generated([[2]], key=jax.random.key(4))[0]
  seen = []
  stop = first[4]
  cut = generated([[2]], stop=stop, on_elements=seen.append)[0]
  assert cut == first[: first.index(stop, 1)]
  assert len(seen) == len(cut)
  often = generated([[2]], policy=sampling.CachePolicy(refill_every=2))[0]
  assert len(often) == len(first) == 11


def test_lengths_share_their_programs():
  model, variables, *_ = programs("decode_rotary")
  options = {"key": jax.random.key(3)}
  prompt = [[5, 9, 7]]
  (shorter,) = sampling.generate(model, variables, prompt, 7, **options)
  assert shorter == generated(prompt)[0][:10]
  shared = sampling._programs(model.config, sampling.SamplingConfig(), None)
  count = shared.step._cache_size()
  sampling.generate(model, variables, prompt, 9, **options)
  assert shared.step._cache_size() == count


def test_tables_have_an_end():
  model, variables, *_ = programs("decode_absolute")
  with pytest.raises(ValueError, match="are 23; expected at most 22"):
    sampling.generate(model, variables, [[2]], 22, key=jax.random.key(0))


def test_models_that_count_back_cannot_be_cached():
  config = goldens.config("rotary_terminal")
  with pytest.raises(ValueError, match="expected forward"):
    decoding.Decoder(config)
  model, variables, *_ = programs("decode_rotary")
  with pytest.raises(ValueError, match="expected a start token"):
    sampling.generate(model, variables, [[]], 1, key=jax.random.key(0))


@pytest.mark.parametrize("batch", [1, 3])
def test_a_step_copies_no_cache(batch):
  """It writes one slot, and takes time for the rest."""
  model, variables, *_ = programs("decode_rotary")
  slots = 37, 23
  decoder = decoding.Decoder(model.config, *slots)
  elements = jnp.ones((batch, 64), jnp.int32)
  weights, (state, _) = jax.eval_shape(
    lambda params: (
      found := decoder.weights(params),
      decoder.prime(
        found, elements, jnp.zeros(batch, jnp.int32), jnp.int32(30), 8
      ),
    ),
    variables.params,
  )
  step = jax.jit(decoder.step, donate_argnums=1)
  program = step.lower(weights, state).compile().as_text()
  caches = r"f32\[(\d+,)*(37|23),\d+\]\S*"
  assert len(re.findall(rf"{caches} parameter", program)) > 2
  assert not re.findall(rf"= {caches} copy\(", program)
