"""Our language models against the arrays of the released one."""

import dataclasses

import numpy as np
import pytest

import perceiver
from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import network
from perceiver import processor
from perceiver.adapters import text
from perceiver.models import language
from tests.helpers import fill
from tests.helpers import released

pytestmark = pytest.mark.optimized


def ids(shape: tuple[int, ...]) -> np.ndarray:
  """Returns the ids that the golden arrays were made with."""
  noise = fill.array(shape, released.SALT, "ids")
  return (np.abs(noise) * 100).astype(np.int32) % language.NUM_BYTES


def tiny() -> perceiver.Model:
  """Returns the small model of `tiny_language`."""
  sizes = {"num_heads": 8, "qk_channels": 16}
  return perceiver.create(
    language.LanguageModelConfig(
      text=text.TextInputConfig(
        vocab_size=language.NUM_BYTES, max_length=24, channels=16
      ),
      perceiver=network.PerceiverConfig(
        encoder=encoder.EncoderConfig(
          input_channels=16,
          num_latents=6,
          latent_channels=32,
          cross_attention=blocks.CrossAttentionConfig(v_channels=32, **sizes),
        ),
        processor=processor.ProcessorConfig(
          channels=32,
          num_self_attends_per_block=3,
          self_attention=blocks.SelfAttentionConfig(v_channels=32, **sizes),
        ),
        decoder=decoder.DecoderConfig(
          query_channels=16,
          output_channels=None,
          cross_attention=blocks.CrossAttentionConfig(
            v_channels=16, query_residual=False, **sizes
          ),
        ),
      ),
    )
  )


@pytest.mark.parametrize("reference", [False, True])
def test_tiny_logits(reference):
  model = tiny()
  variables = released.filled(model)
  model = perceiver.Model(model.config, reference=reference)
  expected = released.golden("tiny_language")
  np.testing.assert_array_equal(expected["ids"], ids((2, 24)))
  mask = expected["mask"].astype(bool)
  logits = model.apply(variables, expected["ids"], input_mask=mask)
  assert released.relative_error(logits, expected["logits"]) < 1e-5


def test_the_released_model_masks_inputs_and_queries():
  model = tiny()
  variables = released.filled(model)
  expected = released.golden("tiny_language")
  mask = expected["mask"].astype(bool)
  latents = model.encode(variables, expected["ids"], input_mask=mask)
  unmasked = model.decode(variables, latents)
  error = lambda logits, where: released.relative_error(
    logits[where], expected["logits"][where]
  )
  assert error(np.asarray(unmasked), mask) < 1e-5
  assert error(np.asarray(unmasked), ~mask) > 0.1
  masked = model.decode(variables, latents, query_mask=mask)
  assert error(np.asarray(masked), ~mask) < 1e-5


def test_released_names_and_shapes():
  found = released.original_shapes(perceiver.create("language_bytes"))
  expected = released.released_shapes()["language_bytes"]
  as_lists = {
    m: {n: list(s) for n, s in e.items()} for m, e in found.params.items()
  }
  assert as_lists == expected["params"]
  assert not found.state


def test_full_size_logits():
  model = perceiver.create("language_bytes")
  mask = np.arange(2048)[None] < 1500
  logits = model.apply(released.filled(model), ids((1, 2048)), input_mask=mask)
  expected = released.golden("full_language_bytes")["logits"]
  assert released.relative_error(logits[:, ::16], expected) < 1e-5


def test_bfloat16_stays_close_to_float32():
  model = tiny()
  half = perceiver.create(
    dataclasses.replace(model.config, precision=perceiver.Precision.BFLOAT16)
  )
  variables = released.filled(model)
  exact, rounded = (m.apply(variables, ids((2, 24))) for m in (model, half))
  assert rounded.dtype == np.float32
  assert 0 < released.relative_error(rounded, exact) < 0.03
