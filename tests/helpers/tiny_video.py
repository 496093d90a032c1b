"""The tiny video autoencoder of the golden arrays."""

import numpy as np

from perceiver import position_encoding
from perceiver.models import video_autoencoding
from tests.helpers import fill
from tests.helpers import released

FRAMES, SIZE, SAMPLES = 2, 16, 128
_IMAGE_POSITIONS = position_encoding.Fourier(
  num_bands=3, max_resolution=(2, 4, 4)
)
_AUDIO_POSITIONS = position_encoding.Fourier(
  num_bands=4, max_resolution=(SAMPLES,)
)


def config() -> video_autoencoding.VideoAutoencoderConfig:
  """Returns the config of the autoencoder."""
  return video_autoencoding.video_autoencoder(
    num_frames=FRAMES,
    size=(SIZE, SIZE),
    image_positions=_IMAGE_POSITIONS,
    num_samples=SAMPLES,
    patch_size=8,
    audio_positions=_AUDIO_POSITIONS,
    num_classes=9,
    label_channels=24,
    num_latents=6,
    latent_channels=24,
    num_layers=2,
    num_heads=4,
    output_channels=20,
  )


def inputs() -> dict[str, np.ndarray]:
  """Returns two examples of video and audio."""
  shape = (2, FRAMES, SIZE, SIZE, 3)
  return {
    "image": fill.array(shape, released.SALT, "video"),
    "audio": fill.array((2, SAMPLES, 1), released.SALT, "audio"),
  }
