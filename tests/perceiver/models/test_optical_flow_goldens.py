"""Our optical flow against the arrays of the released model."""

import dataclasses

import numpy as np
import pytest

import perceiver
from perceiver.adapters import flow
from perceiver.models import optical_flow
from tests.helpers import fill
from tests.helpers import released

pytestmark = pytest.mark.optimized


def tiny() -> perceiver.Model:
  """Returns the small model of `tiny_optical_flow`."""
  return perceiver.create(
    optical_flow.optical_flow(
      size=(16, 24),
      features=flow.Neighbourhoods(num_channels=10),
      num_bands=5,
      num_latents=9,
      latent_channels=24,
      num_layers=3,
      num_heads=4,
    )
  )


FRAMES = fill.array((2, 2, 16, 24, 3), released.SALT, "frames")


@pytest.mark.parametrize("reference", [False, True])
def test_tiny_flow(reference):
  model = tiny()
  variables = released.filled(model)
  model = perceiver.Model(model.config, reference=reference)
  expected = released.golden("tiny_optical_flow")["flow"]
  found = model.apply(variables, FRAMES)
  assert released.relative_error(found, expected) < 1e-5


def test_released_names_and_shapes():
  found = released.original_shapes(perceiver.create("optical_flow"))
  expected = released.released_shapes()["optical_flow"]
  as_lists = {
    m: {n: list(s) for n, s in e.items()} for m, e in found.params.items()
  }
  assert as_lists == expected["params"]
  assert not found.state


def test_full_size_flow():
  model = perceiver.create("optical_flow")
  frames = 0.3 * fill.array((1, 2, 368, 496, 3), released.SALT, "frames")
  expected = released.golden("full_optical_flow")["flow"]
  found = np.asarray(model.apply(released.filled(model), frames))
  assert found.shape == (1, 368, 496, 2)
  assert released.relative_error(found[:, ::8, ::8], expected) < 1e-5


def test_bfloat16_stays_close_to_float32():
  model = tiny()
  half = perceiver.create(
    dataclasses.replace(model.config, precision=perceiver.Precision.BFLOAT16)
  )
  variables = released.filled(model)
  exact, rounded = (m.apply(variables, FRAMES) for m in (model, half))
  assert rounded.dtype == np.float32
  assert 0 < released.relative_error(rounded, exact) < 0.03
