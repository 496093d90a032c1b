"""Perceiver AR against arrays of the released code."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.generation import task as generation_task
import perceiver
from perceiver import autoregressive
from perceiver.checkpoints.deepmind import files
from tests.helpers import perceiver_ar_goldens as goldens

pytestmark = pytest.mark.optimized

MODELS = (
  *("absolute_learned", "absolute_sinusoidal", "absolute_terminal"),
  *("image_positions", "rotary", "rotary_terminal", "padded_absolute"),
  *("padded_rotary", "mixed_channels_kv", "mixed_channels_q", "gelu"),
  *("query_offset", "partial_rotation", "partial_rotation_long_wavelength"),
)


def positions(model, arrays):
  """Returns the positions of a file, None if the model takes none."""
  if model.config.order is not autoregressive.Order.FORWARD:
    return None
  return arrays["input_idxs"]


def losses(model, logits, arrays):
  """Returns labels, and every latent's loss and z-loss, as released."""
  batch = {
    "inputs": jnp.asarray(arrays["inputs"]),
    "targets": jnp.asarray(arrays["targets"]),
    "counted": jnp.full(len(logits), model.config.num_latents),
  }
  labels, counted = generation_task.labels_of_latents(batch, logits.shape[1])
  nats, z_loss = generation_task.cross_entropy(logits, labels, 1e-4)
  zeroed = lambda x: jnp.where(counted, x, 0)
  return labels, zeroed(nats + z_loss), zeroed(z_loss)


@pytest.mark.parametrize("name", MODELS)
def test_logits_and_losses(name):
  arrays = goldens.arrays(name)
  model, variables = goldens.model_and_variables(name)
  logits = model.apply(
    variables, arrays["inputs"], positions=positions(model, arrays)
  )
  steps = autoregressive.latent_steps(
    autoregressive.lengths(jnp.asarray(arrays["inputs"])),
    model.config.num_latents,
  )
  np.testing.assert_array_equal(steps, arrays["latent_last_steps"])
  real = arrays["latent_last_steps"] >= 0
  assert goldens.relative_error(logits[real], arrays["logits"][real]) < 1e-5
  labels, loss, z_loss = losses(model, logits, arrays)
  np.testing.assert_array_equal(labels[real], arrays["labels"][real])
  np.testing.assert_allclose(loss, arrays["loss"], atol=1e-5, rtol=1e-5)
  np.testing.assert_allclose(z_loss, arrays["z_loss"], atol=1e-6, rtol=1e-5)
  if "total_loss" in arrays:
    np.testing.assert_allclose(loss.sum(), arrays["total_loss"], rtol=1e-5)


@pytest.mark.parametrize("name", ["rotary", "image_positions"])
def test_reference_implementation(name):
  arrays = goldens.arrays(name)
  model, variables = goldens.model_and_variables(name)
  model = perceiver.Model(model.config, reference=True)
  logits = model.apply(
    variables, arrays["inputs"], positions=positions(model, arrays)
  )
  assert goldens.relative_error(logits, arrays["logits"]) < 1e-5


def test_images_have_the_released_positions():
  arrays = goldens.arrays("image_positions")
  model, variables = goldens.model_and_variables("image_positions")
  given = model.apply(
    variables, arrays["inputs"], positions=arrays["input_idxs"]
  )
  own = model.apply(variables, arrays["inputs"])
  np.testing.assert_array_equal(given, own)


def test_positions_may_count_back_below_zero():
  arrays = goldens.arrays("rotary_terminal")
  model, variables = goldens.model_and_variables("rotary_terminal")
  order = autoregressive.Order.NEGATIVE_FROM_LAST
  config = dataclasses.replace(model.config, order=order)
  logits = perceiver.create(config).apply(variables, arrays["inputs"])
  real = arrays["latent_last_steps"] >= 0
  expected = arrays["logits_negative"][real]
  assert goldens.relative_error(logits[real], expected) < 1e-5


def test_dropped_inputs_and_latents():
  arrays = goldens.arrays("dropped_inputs")
  model, variables = goldens.model_and_variables("dropped_inputs")
  encoder, processor = (
    arrays[f"{name}_mask"].astype(bool) for name in ("encoder", "processor")
  )
  count, length = encoder.shape[1:]
  later = ~np.tri(count, k=0, dtype=bool)  # [latent, later latent]
  logits = model.apply(
    variables,
    arrays["inputs"],
    positions=arrays["input_idxs"],
    kept_inputs=encoder[:, -1],  # the last latent has all inputs before it
    kept_latents=np.array(
      [[row[later[i], i].any() for i in range(count)] for row in processor]
    ),
  )
  assert length == model.config.context
  assert goldens.relative_error(logits, arrays["logits"]) < 1e-5


@pytest.mark.parametrize("name", ["absolute_learned", "rotary"])
def test_gradients(name):
  arrays, expected = goldens.arrays(name), goldens.arrays(f"{name}_grads")
  model, variables = goldens.model_and_variables(name)

  def total(params):
    logits = model.apply(
      perceiver.Variables(params, {}),
      arrays["inputs"],
      positions=arrays["input_idxs"],
    )
    return losses(model, logits, arrays)[1].sum()

  gradients = perceiver.Variables(
    jax.jit(jax.grad(total))(variables.params), {}
  )
  theirs = files.to_theirs(model, gradients).params
  scale = np.sqrt(sum(np.sum(np.square(x)) for x in expected.values()))
  assert len(expected) > 50
  for key, array in expected.items():
    module, bar, entry = key.partition("|")
    if not bar:
      continue
    error = np.linalg.norm(theirs[module][entry] - array)
    # Of a key bias with absolute positions there is only noise.
    assert error < 1e-4 * max(np.linalg.norm(array), 1e-2 * scale), key
