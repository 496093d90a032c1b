"""The tiny video autoencoder of the golden arrays."""

import dataclasses

import numpy as np

from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import multimodal_decoder
from perceiver import network
from perceiver import position_encoding
from perceiver import processor
from perceiver.adapters import audio
from perceiver.adapters import multimodal
from perceiver.adapters import video
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
  changes = {
    "image": video.VideoInputConfig(
      num_frames=FRAMES,
      size=(SIZE, SIZE),
      patch=(1, 4, 4),
      positions=_IMAGE_POSITIONS,
    ),
    "audio": audio.AudioInputConfig(
      num_samples=SAMPLES, patch_size=8, positions=_AUDIO_POSITIONS
    ),
    "label": multimodal.VectorInputConfig(channels=9),
  }
  released_inputs = video_autoencoding.INPUTS
  tiny_inputs = dataclasses.replace(
    released_inputs,
    modalities=tuple(
      dataclasses.replace(x, input=changes[x.name])
      for x in released_inputs.modalities
    ),
  )
  return video_autoencoding.VideoAutoencoderConfig(
    inputs=tiny_inputs,
    outputs=_outputs(),
    perceiver=network.PerceiverConfig(
      encoder=encoder.EncoderConfig(
        input_channels=73, num_latents=6, latent_channels=24
      ),
      processor=processor.ProcessorConfig(
        channels=24,
        num_self_attends_per_block=2,
        self_attention=blocks.SelfAttentionConfig(num_heads=4),
      ),
      decoder=decoder.DecoderConfig(
        query_channels=26,
        output_channels=20,
        cross_attention=blocks.CrossAttentionConfig(query_residual=False),
      ),
    ),
  )


def _outputs() -> multimodal_decoder.MultimodalOutputConfig:
  output = multimodal_decoder.OutputConfig
  return multimodal_decoder.MultimodalOutputConfig(
    outputs=(
      output(
        name="image",
        grid=(FRAMES, SIZE, SIZE),
        positions=_IMAGE_POSITIONS,
        channels=3,
      ),
      output(
        name="audio",
        grid=(16,),
        positions=_AUDIO_POSITIONS,
        channels=8,
        joined=True,
      ),
      output(
        name="label",
        grid=(1,),
        positions=position_encoding.Learned(channels=24),
        channels=9,
        joined=True,
      ),
    ),
  )


def inputs() -> dict[str, np.ndarray]:
  """Returns two examples of video and audio."""
  shape = (2, FRAMES, SIZE, SIZE, 3)
  return {
    "image": fill.array(shape, released.SALT, "video"),
    "audio": fill.array((2, SAMPLES, 1), released.SALT, "audio"),
  }
