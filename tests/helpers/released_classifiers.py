"""The small image classifiers of the golden arrays."""

import perceiver
from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import network
from perceiver import position_encoding
from perceiver import processor
from perceiver.adapters import image
from perceiver.models import imagenet


def tiny(variant: str) -> perceiver.Model:
  """Returns the classifier of `tiny_imagenet_*` and `train_steps_…`."""
  size, bands = (32, 32), 5
  seen = {
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
      inputs=seen,
      perceiver=network.PerceiverConfig(
        encoder=encoder.EncoderConfig(
          input_channels=seen.input_channels, num_latents=7, latent_channels=24
        ),
        processor=processor.ProcessorConfig(
          channels=24,
          num_self_attends_per_block=2,
          num_blocks=3,
          self_attention=blocks.SelfAttentionConfig(num_heads=4),
        ),
        decoder=decoder.DecoderConfig(
          query_channels=24,
          output_channels=11,
          cross_attention=blocks.CrossAttentionConfig(
            query_residual=variant != "learned"
          ),
        ),
      ),
    )
  )
