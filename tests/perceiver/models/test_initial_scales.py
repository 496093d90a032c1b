"""The scales that parameters start from are those of the released models."""

import dataclasses

import jax
import numpy as np
import pytest

import perceiver

_BLOCKS = "/cross_attention/attention/value"
# What a normal that is truncated at two deviations has of its deviation.
_TRUNCATED = 0.8796


def _ratios(config, modules):
  """Returns deviations of initial weights, times the root of their fan-in."""
  model = perceiver.create(config)

  @jax.jit
  def some(key):
    params = model.init(key).params
    found = {
      suffix: [x["w"] for name, x in params.items() if name.endswith(suffix)]
      for suffix in modules
    }
    assert all(found.values())
    return {suffix: x[0] for suffix, x in found.items()}

  weights = some(jax.random.key(0))
  return {
    suffix: float(np.std(w) * np.sqrt(w.shape[-2]))
    for suffix, w in weights.items()
  }


@pytest.mark.parametrize(
  ("name", "modules"),
  [
    (
      "imagenet_learned",
      ("/conv_1x1", "/position_projection", "/decoder/output"),
    ),
    ("optical_flow", ("/patch_projection",)),
    (
      "video_autoencoding",
      ("/image_output", "/audio_output", "/decoder/output"),
    ),
  ],
)
def test_maps_outside_of_blocks(name, modules):
  found = _ratios(name, (*modules, _BLOCKS))
  assert found.pop(_BLOCKS) == pytest.approx(1, abs=0.02)
  for module, ratio in found.items():
    assert ratio == pytest.approx(_TRUNCATED, rel=0.05), module


def test_other_scales_may_be_chosen():
  config = perceiver.create("imagenet_learned").config
  decoding = dataclasses.replace(
    config.perceiver.decoder, output_init_scale=1.0
  )
  network = dataclasses.replace(config.perceiver, decoder=decoding)
  config = dataclasses.replace(config, perceiver=network)
  found = _ratios(config, ("/decoder/output",))
  assert found["/decoder/output"] == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize(("scale", "expected"), [(None, 1.0), (0.02, 0.02)])
def test_embeddings(scale, expected):
  config = perceiver.create("language_bytes").config
  if scale is not None:
    text = dataclasses.replace(config.text, embedding_init_scale=scale)
    config = dataclasses.replace(config, text=text)
  model = perceiver.create(config)

  @jax.jit
  def tables(key):
    found = model.init(key).params
    return [
      found[f"language_model/text_input/{name}"]["embeddings"]
      for name in ("token_embedding", "learned_positions")
    ]

  embeddings, positions = tables(jax.random.key(0))
  assert np.std(embeddings) == pytest.approx(_TRUNCATED * expected, rel=0.01)
  assert np.std(positions) == pytest.approx(_TRUNCATED * 0.02, rel=0.01)
