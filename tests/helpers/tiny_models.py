"""Models small enough to predict within a test."""

from typing import Any

import jax

import perceiver
from perceiver import blocks
from perceiver import decoder
from perceiver import position_encoding
from perceiver.adapters import flow
from perceiver.adapters import image
from perceiver.adapters import text
from perceiver.models import imagenet
from perceiver.models import language
from perceiver.models import optical_flow
from perceiver.models import text_classifier as text_classification
from tests.helpers import tiny_networks

CLASSES = 7
LENGTH = 64
TILE = (24, 32)


def classifier(
  size: tuple[int, int] = (16, 16), channels: int = 3
) -> imagenet.ImageClassifierConfig:
  """Returns a classifier of small images."""
  inputs = image.ImageInputConfig(
    size=size,
    channels=channels,
    positions=position_encoding.Fourier(num_bands=2, max_resolution=size),
  )
  decoding = decoder.DecoderConfig(query_channels=8, output_channels=CLASSES)
  return imagenet.ImageClassifierConfig(
    inputs=inputs,
    perceiver=tiny_networks.network_config(inputs.input_channels, decoding),
  )


def language_model(vocab_size: int = 262) -> language.LanguageModelConfig:
  """Returns a model of short texts."""
  decoding = decoder.DecoderConfig(
    query_channels=8,
    output_channels=None,
    cross_attention=blocks.CrossAttentionConfig(query_residual=False),
  )
  return language.LanguageModelConfig(
    text=text.TextInputConfig(
      vocab_size=vocab_size, max_length=LENGTH, channels=8
    ),
    perceiver=tiny_networks.network_config(8, decoding),
  )


def text_classifier(
  num_classes: int = CLASSES,
) -> text_classification.TextClassifierConfig:
  """Returns a classifier of shorter texts."""
  return text_classification.TextClassifierConfig(
    inputs=text.TextInputConfig(vocab_size=262, max_length=24, channels=8),
    perceiver=tiny_networks.network_config(
      8, decoder.DecoderConfig(query_channels=8, output_channels=num_classes)
    ),
  )


def flow_model() -> optical_flow.OpticalFlowConfig:
  """Returns a model of flow whose last layer does not start at zero."""
  frames = flow.FlowInputConfig(
    size=TILE,
    features=flow.Neighbourhoods(num_channels=6),
    positions=position_encoding.Fourier(num_bands=2, max_resolution=TILE),
  )
  decoding = decoder.DecoderConfig(
    query_channels=frames.input_channels,
    output_channels=2,
    cross_attention=blocks.CrossAttentionConfig(query_residual=False),
  )
  return optical_flow.OpticalFlowConfig(
    frames=frames,
    perceiver=tiny_networks.network_config(frames.input_channels, decoding),
  )


def save(folder: Any, config: Any) -> tuple[Any, Any, str]:
  """Returns a model with random weights, and a file that holds them."""
  model = perceiver.create(config)
  variables = model.init(jax.random.key(1))
  path = str(folder / "model.safetensors")
  perceiver.save(path, model, variables)
  return model, variables, path
