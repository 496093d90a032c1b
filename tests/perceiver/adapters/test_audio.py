"""Waveforms and spectrograms as inputs."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver import decoder
from perceiver import position_encoding
from perceiver.adapters import adapter
from perceiver.adapters import audio
from perceiver.adapters import video
from perceiver.models import classifier
from tests.helpers import tiny_networks


def fourier(*resolution: float) -> position_encoding.Fourier:
  return position_encoding.Fourier(num_bands=1, max_resolution=resolution)


def build(config, array):
  run = hk.transform(lambda x: audio.AudioInput(config, name="audio")(x))
  parts = run.apply(run.init(jax.random.key(0), array), None, array)
  return tuple(map(position_encoding.materialise, parts))


def test_waveform():
  config = audio.AudioInputConfig(
    num_samples=6, channels=2, patch_size=3, positions=fourier(2)
  )
  values, positions = build(config, jnp.arange(24.0).reshape(2, 6, 2))
  np.testing.assert_allclose(values[1], np.arange(12, 24).reshape(2, 6))
  np.testing.assert_allclose(positions[0, :, 0], [-1, 1])
  assert positions.shape == (1, config.num_inputs, 3) == (1, 2, 3)
  assert config.input_channels == 9


def test_spectrogram():
  config = audio.SpectrogramInputConfig(
    num_frames=2, num_bands=3, positions=fourier(2, 3)
  )
  values, positions = build(config, jnp.arange(12.0).reshape(2, 2, 3))
  np.testing.assert_allclose(values[1, :, 0], np.arange(6, 12))
  # Time first, frequency second.
  np.testing.assert_allclose(positions[0, 2, :2], [-1, 1])
  np.testing.assert_allclose(positions[0, 3, :2], [1, -1])
  assert config.input_channels == 1 + 6


@pytest.mark.parametrize(
  ("config", "module"),
  [
    (
      audio.AudioInputConfig(
        num_samples=6,
        patch_size=3,
        positions=position_encoding.Learned(channels=4),
      ),
      "audio_input",
    ),
    (
      audio.SpectrogramInputConfig(
        num_frames=2, num_bands=3, positions=fourier(2, 3)
      ),
      None,
    ),
    (
      video.VideoInputConfig(
        num_frames=2,
        size=(4, 4),
        patch=(1, 2, 2),
        positions=position_encoding.Learned(channels=4),
      ),
      "video_input",
    ),
  ],
)
def test_one_modality_is_the_input_of_a_classifier(config, module):
  assert isinstance(config, adapter.InputAdapter)
  model = perceiver.create(
    classifier.ClassifierConfig(
      inputs=config,
      perceiver=tiny_networks.network_config(
        config.input_channels, decoder.MeanDecoderConfig(output_channels=5)
      ),
    )
  )
  shapes, example = model.shapes(), model.config.example(3)[0]
  logits = jax.eval_shape(model.apply, shapes, example)
  assert logits.shape == (3, 5)
  positions = [n for n in shapes.params if n.endswith("learned_positions")]
  assert positions == [f"classifier/{module}/learned_positions"] * bool(module)
  with pytest.raises(ValueError, match=r"(Audio|gram|Video) input: a mask is"):
    config.apply(jnp.zeros(example.shape), jnp.ones(example.shape, bool))


def test_bad_input_is_refused():
  config = audio.AudioInputConfig(
    num_samples=6, patch_size=3, positions=fourier(2)
  )
  with pytest.raises(ValueError, match=r"Audio input.*\[batch, 6, 1\]"):
    build(config, jnp.zeros((2, 5, 1)))
  with pytest.raises(TypeError, match="int16"):
    build(config, jnp.zeros((2, 6, 1), jnp.int16))
  with pytest.raises(ValueError, match="patch_size 4"):
    audio.AudioInputConfig(num_samples=6, patch_size=4, positions=fourier(2))
  with pytest.raises(ValueError, match="expected 1"):
    audio.AudioInputConfig(num_samples=6, patch_size=3, positions=fourier(2, 2))
  with pytest.raises(ValueError, match="num_bands is 0"):
    audio.SpectrogramInputConfig(
      num_frames=2, num_bands=0, positions=fourier(2, 2)
    )
