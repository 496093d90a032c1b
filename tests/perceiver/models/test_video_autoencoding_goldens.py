"""Our video autoencoder against the arrays of the released one."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

import perceiver
from tests.helpers import fill
from tests.helpers import released
from tests.helpers import tiny_video

pytestmark = pytest.mark.optimized


def check(found, golden, tolerance=1e-5):
  assert set(found) == {"image", "audio", "label"}
  for name, array in found.items():
    error = released.relative_error(array, golden[f"out_{name}"])
    assert error < tolerance, (name, error)


@pytest.mark.parametrize("reference", [False, True])
def test_tiny_outputs(reference):
  model = perceiver.create(tiny_video.config())
  variables = released.filled(model)
  model = perceiver.Model(model.config, reference=reference)
  points = {"image": jnp.arange(40, 104), "audio": jnp.arange(2, 7)}
  found = model.apply(variables, tiny_video.inputs(), output_points=points)
  check(found, released.golden("tiny_video"))


def test_released_names_and_shapes():
  found = released.original_shapes(perceiver.create("video_autoencoding"))
  expected = released.released_shapes()["video_autoencoding"]
  as_lists = {
    m: {n: list(s) for n, s in e.items()} for m, e in found.params.items()
  }
  assert as_lists == expected["params"]


def test_full_size_outputs():
  model = perceiver.create("video_autoencoding")
  inputs = {
    "image": fill.array((1, 16, 224, 224, 3), released.SALT, "video"),
    "audio": fill.array((1, 30720, 1), released.SALT, "audio"),
  }
  points = {"image": jnp.arange(31360, 31872), "audio": jnp.arange(75, 90)}
  found = model.apply(released.filled(model), inputs, output_points=points)
  check(found, released.golden("full_video_autoencoding"))


def test_bfloat16_stays_close_to_float32():
  model = perceiver.create(tiny_video.config())
  half = perceiver.create(
    dataclasses.replace(model.config, precision=perceiver.Precision.BFLOAT16)
  )
  variables, inputs = released.filled(model), tiny_video.inputs()
  exact, rounded = (m.apply(variables, inputs) for m in (model, half))
  for name, array in rounded.items():
    assert array.dtype == jnp.float32
    assert 0 < released.relative_error(array, exact[name]) < 0.03
  assert jax.tree.map(jnp.shape, exact) == jax.tree.map(jnp.shape, rounded)
