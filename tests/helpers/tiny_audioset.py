"""A tiny classifier of clips, and tiny clips."""

import numpy as np

from experiments.audio_video.audioset import data
from experiments.audio_video.audioset import spectrogram
from experiments.audio_video.clips import clips
from experiments.audio_video.clips import synthetic
from perceiver import decoder
from perceiver import position_encoding
from perceiver.adapters import audio
from perceiver.adapters import multimodal
from perceiver.adapters import video
from perceiver.models import audioset
from tests.helpers import tiny_networks

FRAMES, SIZE, CLASSES = 4, (8, 8), 4
# 25 frames and 2,000 samples per second: 80 samples per frame.
RATE, SAMPLES, HOP, BANDS = 2000, 320, 64, 6
SPECTROGRAM = spectrogram.SpectrogramConfig(
  sample_rate=RATE, hop=HOP, window=128, num_bands=BANDS, highest=1000.0
)
SYNTHETIC = synthetic.SyntheticConfig(
  num_examples=24,
  num_frames=6,
  size=(10, 10),
  sample_rate=RATE,
  num_classes=CLASSES,
  audio_only=1,
  video_only=1,
  events=(1, 2),
)


def _fourier(*grid):
  return position_encoding.Fourier(num_bands=2, max_resolution=grid)


VIDEO = multimodal.ModalityConfig(
  name="video",
  input=video.VideoInputConfig(
    num_frames=FRAMES, size=SIZE, patch=(2, 4, 4), positions=_fourier(2, 2, 2)
  ),
)
MEL = multimodal.ModalityConfig(
  name="audio",
  input=audio.SpectrogramInputConfig(
    num_frames=5, num_bands=BANDS, positions=_fourier(5, 6)
  ),
)
RAW = multimodal.ModalityConfig(
  name="audio",
  input=audio.AudioInputConfig(
    num_samples=SAMPLES, patch_size=40, positions=_fourier(8)
  ),
)


def model_config(*modalities, channels=8):
  """Returns a model of 5 latents for the given modalities, or VIDEO and MEL."""
  inputs = multimodal.MultimodalInputConfig(
    modalities=modalities or (VIDEO, MEL)
  )
  return audioset.MultimodalClassifierConfig(
    inputs=inputs,
    perceiver=tiny_networks.network_config(
      inputs.input_channels,
      decoder.DecoderConfig(query_channels=channels, output_channels=CLASSES),
      num_latents=5,
      channels=channels,
    ),
  )


def data_config(**changes):
  """Returns synthetic clips of the model's shape, in 3 segments each."""
  settings = {
    "synthetic": SYNTHETIC,
    "num_eval": 6,
    "num_segments": 3,
    "spectrogram": SPECTROGRAM,
    **changes,
  }
  return data.DataConfig(**settings)


def clip(num_frames=6, labels=(1, 3), **changes):
  """Returns a clip whose frame i has pixels of 10 i and samples of i / 10."""
  numbers = np.arange(num_frames)
  frames = np.broadcast_to(
    10 * numbers[:, None, None, None], (num_frames, *SIZE, 3)
  )
  samples = np.repeat(numbers / 10, RATE // 25)[:, None]
  return clips.Clip(
    frames=frames.astype(np.uint8),
    audio=samples.astype(np.float32),
    frame_rate=25.0,
    sample_rate=RATE,
    labels=labels,
    name="steps",
  )._replace(**changes)
