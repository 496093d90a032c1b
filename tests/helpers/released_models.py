"""Small models of the six released kinds."""

import dataclasses
from typing import Any

from perceiver import blocks
from perceiver import decoder
from perceiver import position_encoding
from perceiver.adapters import flow
from perceiver.adapters import image
from perceiver.adapters import text
from perceiver.models import imagenet
from perceiver.models import language
from perceiver.models import optical_flow
from tests.helpers import tiny_networks
from tests.helpers import tiny_video


def classifier(
  features: Any = image.Pixels(),  # noqa: B008
  *,
  size: tuple[int, int] = (8, 8),
  learned: bool = False,
  num_classes: int = 3,
) -> imagenet.ImageClassifierConfig:
  """Returns a classifier of images."""
  positions: Any = position_encoding.Fourier(
    num_bands=2, max_resolution=features.grid((8, 8))
  )
  if learned:
    positions = position_encoding.Projected(
      encoding=position_encoding.Learned(channels=5), channels=4
    )
  inputs = image.ImageInputConfig(
    size=size, features=features, positions=positions
  )
  return imagenet.ImageClassifierConfig(
    inputs=inputs,
    perceiver=tiny_networks.network_config(
      inputs.input_channels,
      decoder.DecoderConfig(query_channels=6, output_channels=num_classes),
      num_layers=3,
    ),
  )


def language_model(max_length: int = 12) -> language.LanguageModelConfig:
  """Returns a model of bytes."""
  return language.LanguageModelConfig(
    text=text.TextInputConfig(
      vocab_size=262, max_length=max_length, channels=8
    ),
    perceiver=tiny_networks.network_config(
      8,
      decoder.DecoderConfig(
        query_channels=8,
        output_channels=None,
        cross_attention=blocks.CrossAttentionConfig(
          num_heads=2, query_residual=False
        ),
      ),
      num_layers=3,
    ),
  )


CONFIGS: dict[str, Any] = {
  "imagenet_fourier": classifier(),
  "imagenet_learned": classifier(image.Conv1x1(num_channels=5), learned=True),
  "imagenet_conv": classifier(image.ConvPool(num_channels=6)),
  "language_bytes": language_model(),
  "optical_flow": optical_flow.optical_flow(
    size=(6, 8),
    features=flow.Neighbourhoods(num_channels=5),
    num_bands=2,
    num_latents=4,
    latent_channels=8,
    num_layers=2,
    num_heads=2,
  ),
  "video_autoencoding": tiny_video.config(),
}


def with_query_residual(config: Any, query_residual: bool) -> Any:
  """Returns a model whose decoder adds its queries, or does not."""
  decoding = config.perceiver.decoder
  decoding = dataclasses.replace(
    decoding,
    cross_attention=dataclasses.replace(
      decoding.cross_attention, query_residual=query_residual
    ),
  )
  changed = dataclasses.replace(config.perceiver, decoder=decoding)
  return dataclasses.replace(config, perceiver=changed)
