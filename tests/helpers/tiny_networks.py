"""Small configurations that tests share, so that they compile once."""

import dataclasses
from typing import Any

import perceiver
from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import network
from perceiver import position_encoding
from perceiver import processor
from perceiver import rematerialisation
from perceiver.adapters import image
from perceiver.models import imagenet


def network_config(
  input_channels: int,
  decoding: decoder.DecoderConfig | decoder.MeanDecoderConfig,
  *,
  num_latents: int = 4,
  channels: int = 8,
  num_layers: int = 1,
  num_blocks: int = 1,
  num_heads: int = 2,
  **changes: Any,
) -> network.PerceiverConfig:
  """Returns a network of few latents; `changes` are fields of the encoder."""
  return network.PerceiverConfig(
    encoder=encoder.EncoderConfig(
      input_channels=input_channels,
      num_latents=num_latents,
      latent_channels=channels,
      **changes,
    ),
    processor=processor.ProcessorConfig(
      channels=channels,
      num_self_attends_per_block=num_layers,
      num_blocks=num_blocks,
      self_attention=blocks.SelfAttentionConfig(num_heads=num_heads),
    ),
    decoder=decoding,
  )


def perceiver_config(
  *,
  input_channels: int = 6,
  num_self_attends_per_block: int = 2,
  num_blocks: int = 1,
  remat: rematerialisation.Remat = rematerialisation.Remat.ALL,
  dropout_rate: float = 0.0,
  num_cross_attends: int = 1,
  arrangement: encoder.Arrangement = encoder.Arrangement.INTERLEAVED,
  mean: bool = False,
  share_weights: bool = True,
  **changes: Any,
) -> network.PerceiverConfig:
  """Returns a network of 5 latents × 8 channels and 3 outputs.

  `changes` are fields of the encoder's cross-attention.
  """
  return network.PerceiverConfig(
    encoder=encoder.EncoderConfig(
      input_channels=input_channels,
      num_latents=5,
      latent_channels=8,
      num_cross_attends=num_cross_attends,
      arrangement=arrangement,
      cross_attention=blocks.CrossAttentionConfig(**changes),
    ),
    processor=processor.ProcessorConfig(
      channels=8,
      num_self_attends_per_block=num_self_attends_per_block,
      num_blocks=num_blocks,
      remat=remat,
      self_attention=blocks.SelfAttentionConfig(
        num_heads=2, dropout_rate=dropout_rate
      ),
    ),
    decoder=decoder.MeanDecoderConfig(output_channels=3, output_init_scale=1.0)
    if mean
    else decoder.DecoderConfig(query_channels=4, output_channels=3),
    share_weights=share_weights,
  )


def classifier_config(
  *, permutation_seed: int | None = None, **changes: Any
) -> imagenet.ImageClassifierConfig:
  """Returns a classifier of 8×8 grey images into 3 classes."""
  inputs = image.ImageInputConfig(
    size=(8, 8),
    channels=1,
    positions=position_encoding.Fourier(num_bands=2, max_resolution=(8, 8)),
    permutation_seed=permutation_seed,
  )
  return imagenet.ImageClassifierConfig(
    inputs=inputs,
    perceiver=perceiver_config(input_channels=inputs.input_channels, **changes),
  )


def conv_classifier() -> perceiver.Model:
  """Returns a small classifier that has state, with counters of no axes."""
  config = classifier_config()
  inputs = dataclasses.replace(config.inputs, features=image.ConvPool())
  encoder_config = dataclasses.replace(
    config.perceiver.encoder, input_channels=inputs.input_channels
  )
  perceiver_config_ = dataclasses.replace(
    config.perceiver, encoder=encoder_config
  )
  return perceiver.create(
    dataclasses.replace(config, inputs=inputs, perceiver=perceiver_config_)
  )
