"""The small image classifiers of the golden arrays."""

import perceiver
from perceiver import blocks
from perceiver import decoder
from perceiver import position_encoding
from perceiver.adapters import image
from perceiver.models import imagenet
from tests.helpers import tiny_networks


def tiny(variant: str) -> perceiver.Model:
  """Returns the classifier of `tiny_imagenet_*` and `train_steps_…`."""
  size, bands = (32, 32), 5
  inputs = {
    "fourier": image.ImageInputConfig(
      size=size,
      positions=position_encoding.Fourier(num_bands=bands, max_resolution=size),
    ),
    "learned": image.ImageInputConfig(
      size=size,
      features=image.Conv1x1(num_channels=12),
      positions=position_encoding.Projected(
        encoding=position_encoding.Learned(channels=12), channels=12
      ),
    ),
    "conv": image.ImageInputConfig(
      size=size,
      features=image.ConvPool(num_channels=12),
      positions=position_encoding.Fourier(
        num_bands=bands, max_resolution=(8, 8)
      ),
    ),
  }[variant]
  return perceiver.create(
    imagenet.ImageClassifierConfig(
      inputs=inputs,
      perceiver=tiny_networks.network_config(
        inputs.input_channels,
        decoder.DecoderConfig(
          query_channels=24,
          output_channels=11,
          cross_attention=blocks.CrossAttentionConfig(
            query_residual=variant != "learned"
          ),
        ),
        num_latents=7,
        channels=24,
        num_layers=2,
        num_blocks=3,
        num_heads=4,
      ),
    )
  )
