"""Several modalities as one array of inputs."""

import dataclasses

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from perceiver import position_encoding
from perceiver.adapters import audio
from perceiver.adapters import multimodal
from perceiver.attention import input_parts


def config(**changes) -> multimodal.MultimodalInputConfig:
  """Returns two sounds and a vector, all with mask tokens."""
  waveform = audio.AudioInputConfig(
    num_samples=6,
    patch_size=2,
    positions=position_encoding.Fourier(num_bands=1, max_resolution=(3,)),
  )
  return multimodal.MultimodalInputConfig(
    modalities=(
      multimodal.ModalityConfig(
        name="word",
        input=multimodal.VectorInputConfig(channels=4),
        **{"mask_rate": 0.5, "masked_in_evaluation": True, **changes},
      ),
      multimodal.ModalityConfig(name="left", input=waveform),
      multimodal.ModalityConfig(name="right", input=waveform),
    ),
    min_padding=2,
    mask_tokens=True,
  )


def build(cfg, inputs, is_training=False, seed=0, params=None):
  """Returns parameters and inputs made with them."""

  @hk.transform
  def run(is_training):
    module = multimodal.MultimodalInput(cfg, is_training, name="inputs")
    return module(inputs)

  params = params or run.init(jax.random.key(0), True)
  return params, run.apply(params, jax.random.key(seed), is_training)


@pytest.fixture
def inputs():
  return {
    "word": jnp.arange(8.0).reshape(2, 4),
    "right": jnp.arange(12.0).reshape(2, 6, 1),
    "left": 100 + jnp.arange(12.0).reshape(2, 6, 1),
  }


def test_layout(inputs):
  cfg = config(masked_in_evaluation=False)
  params, whole = build(cfg, inputs)
  # The widest has 2 values and 3 channels of position: 5, and 2 of padding.
  assert cfg.input_channels == 7
  assert whole.shape == (2, cfg.num_inputs, 7) == (2, 3 + 3 + 1, 7)
  # left, right, word: by name, and channels are values, position, padding.
  np.testing.assert_allclose(whole[0, 0, :3], [100, 101, -1])
  np.testing.assert_allclose(whole[1, 5, :3], [10, 11, 1])
  np.testing.assert_allclose(whole[1, 6, :4], [4, 5, 6, 7])
  for name, rows, width in (("left", slice(3), 2), ("word", slice(6, 7), 3)):
    vector = params[f"inputs/{name}_padding"]["embeddings"]
    assert vector.shape == (1, width)
    expected = jnp.broadcast_to(vector, whole[:, rows, -width:].shape)
    np.testing.assert_allclose(whole[:, rows, -width:], expected)


def test_mask_tokens(inputs):
  params, whole = build(config(), inputs)
  token = params["inputs/word_mask_token"]["embeddings"]
  np.testing.assert_allclose(whole[:, 6:], jnp.stack([token, token]))
  del inputs["word"]
  for is_training in (False, True):
    _, found = build(config(), inputs, is_training, params=params)
    np.testing.assert_allclose(found, whole)


def test_every_input_is_masked_on_its_own_in_training(inputs):
  cfg = config()
  noisy = [
    dataclasses.replace(x, mask_rate=0.5) if x.name == "left" else x
    for x in cfg.modalities
  ]
  cfg = dataclasses.replace(cfg, modalities=tuple(noisy))
  whole = [build(cfg, inputs, True, seed)[1] for seed in range(20)]
  masked = np.stack(whole)[:, :, :3, 0] < 100  # [seeds, B, left's inputs]
  assert 0.3 < masked.mean() < 0.7
  assert len(np.unique(masked.reshape(-1, 6), axis=0)) > 10
  evaluated = np.stack([build(cfg, inputs)[1]] * 2)
  assert np.all(evaluated[:, :, :3, 0] >= 100)


def test_one_modality_needs_no_padding(inputs):
  cfg = multimodal.MultimodalInputConfig(
    modalities=config().modalities[1:2], min_padding=0
  )
  params, whole = build(cfg, {"left": inputs["left"]})
  assert not params
  assert whole.shape == (2, 3, 5)


def test_input_mask():
  found = multimodal.input_mask(config(), {"right": jnp.array([True, False])})
  expected = np.ones((2, 7), bool)
  expected[1, 3:6] = False
  np.testing.assert_array_equal(found, expected)
  with pytest.raises(ValueError, match=r"\['up'\]"):
    multimodal.input_mask(config(), {"up": jnp.array([True])})
  with pytest.raises(ValueError, match=r"\(3,\); expected \[2\]"):
    multimodal.input_mask(
      config(), {"left": jnp.ones(2, bool), "right": jnp.ones(3, bool)}
    )


def test_bad_configs_are_refused():
  left = config().modalities[1]
  with pytest.raises(ValueError, match="no name twice"):
    multimodal.MultimodalInputConfig(modalities=(left, left))
  with pytest.raises(ValueError, match="at least one"):
    multimodal.MultimodalInputConfig(modalities=())
  with pytest.raises(ValueError, match=r"\['word'\] are masked but"):
    dataclasses.replace(config(), mask_tokens=False)
  with pytest.raises(ValueError, match="mask_rate is 2"):
    dataclasses.replace(left, mask_rate=2.0)
  with pytest.raises(ValueError, match="'a/b'"):
    dataclasses.replace(left, name="a/b")


def test_bad_inputs_are_refused(inputs):
  with pytest.raises(ValueError, match=r"expected \['left', 'right'\]"):
    build(config(), {"word": inputs["word"]})
  with pytest.raises(ValueError, match="'up'"):
    build(config(), {**inputs, "up": inputs["left"]})
  with pytest.raises(ValueError, match="batch sizes"):
    build(config(), {**inputs, "word": inputs["word"][:1]})
  with pytest.raises(ValueError, match="Modality word"):
    build(config(), {**inputs, "word": inputs["word"][:, :3]})


def test_padding_adds_the_same_vector_to_every_query():
  parts = (jnp.ones((2, 5, 3)), jnp.zeros((1, 5, 2)))
  padded = multimodal.pad(parts, jnp.array([[7.0, 8.0]]))
  whole = input_parts.concatenate(padded)  # [2, 5, 7]
  expected = np.broadcast_to([1.0, 1, 1, 0, 0, 7, 8], (2, 5, 7))
  np.testing.assert_array_equal(whole, expected)
