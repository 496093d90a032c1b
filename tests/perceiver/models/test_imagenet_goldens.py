"""Our image classifiers against the arrays of the released ones."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver.checkpoints.deepmind import names
from perceiver.checkpoints.deepmind import tables
from tests.helpers import fill
from tests.helpers import released
from tests.helpers import released_classifiers

pytestmark = pytest.mark.optimized

VARIANTS = ("fourier", "learned", "conv")


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_tiny_logits(variant, reference):
  model = released_classifiers.tiny(variant)
  variables = released.filled(model)
  model = perceiver.Model(model.config, reference=reference)
  images = fill.array((3, 32, 32, 3), released.SALT, "image", variant)
  expected = released.golden(f"tiny_imagenet_{variant}")["logits"]
  logits = model.apply(variables, images)
  assert released.relative_error(logits, expected) < 1e-5


def test_tiny_gradients():
  model = released_classifiers.tiny("fourier")
  params, state = released.filled(model)
  images = fill.array((3, 32, 32, 3), released.SALT, "image", "fourier")
  cotangent = fill.array((3, 11), released.SALT, "cotangent")

  def objective(params):
    logits = model.apply(perceiver.Variables(params, state), images)
    return jnp.sum(logits * cotangent)

  gradients = names.to_theirs(
    tables.parameter_names(model.config), jax.grad(objective)(params)
  )
  expected = released.golden("tiny_imagenet_fourier_grads")
  assert len(expected) == sum(map(len, gradients.values()))
  for key, array in expected.items():
    module, name = key.split("|")
    # Gradients that are zero but for rounding are compared on the scale of
    # the others: what a key's bias adds to a row of scores cancels.
    scale = max(np.linalg.norm(array), 1e-3 * np.sqrt(array.size))
    error = np.linalg.norm(gradients[module][name] - array) / scale
    assert error < 1e-4, (key, error)


@pytest.mark.parametrize("variant", VARIANTS)
def test_released_names_and_shapes(variant):
  found = released.original_shapes(perceiver.create(f"imagenet_{variant}"))
  expected = released.released_shapes()[f"imagenet_{variant}"]
  as_lists = lambda tree: {
    m: {n: list(s) for n, s in e.items()} for m, e in tree.items()
  }
  assert as_lists(found.params) == expected["params"]
  assert as_lists(found.state) == (expected["state"] or {})


@pytest.mark.parametrize("variant", VARIANTS)
def test_full_size_logits(variant):
  model = perceiver.create(f"imagenet_{variant}")
  images = fill.array((2, 224, 224, 3), released.SALT, "image")
  expected = released.golden(f"full_imagenet_{variant}")["logits"]
  logits = model.apply(released.filled(model), images)
  assert released.relative_error(logits, expected) < 1e-5


def test_bfloat16_stays_close_to_float32():
  model = released_classifiers.tiny("fourier")
  half = perceiver.create(
    dataclasses.replace(model.config, precision=perceiver.Precision.BFLOAT16)
  )
  variables = released.filled(model)
  images = fill.array((3, 32, 32, 3), released.SALT, "image", "fourier")
  exact, rounded = (m.apply(variables, images) for m in (model, half))
  assert rounded.dtype == jnp.float32
  assert 0 < released.relative_error(rounded, exact) < 0.02
