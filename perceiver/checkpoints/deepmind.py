"""The tables of names of the released DeepMind checkpoints."""

from typing import Any

from perceiver import position_encoding
from perceiver.adapters import image
from perceiver.checkpoints import names
from perceiver.models import imagenet


def parameter_names(config: Any) -> list[names.Entry]:
  """Returns where each parameter of a model stands in the released form.

  Raises:
    ValueError: if no model of this kind was released.
  """
  if isinstance(config, imagenet.ImageClassifierConfig):
    return _image_classifier(config)
  raise ValueError(
    f"Checkpoint: no {type(config).__name__} was released by DeepMind."
  )


def state_names(config: Any) -> list[names.Entry]:
  """Returns where the state of a model stands in the released form."""
  if not isinstance(config, imagenet.ImageClassifierConfig):
    return []
  if not isinstance(config.image.features, image.ConvPool):
    return []
  entries = []
  for statistic in ("mean_ema", "var_ema"):
    entries += names.single(
      f"classifier/image_input/batch_norm/~/{statistic}",
      f"image_preprocessor/~/conv2_d_downsample/~/batchnorm/~/{statistic}",
      {name: name for name in ("hidden", "average", "counter")},
    )
  return entries


def _image_classifier(
  config: imagenet.ImageClassifierConfig,
) -> list[names.Entry]:
  decoder = "classification_decoder/~/basic_decoder"
  table = names.perceiver(
    "classifier/perceiver",
    "perceiver_encoder",
    decoder,
    config.perceiver.processor.num_layers,
    output=True,
  )
  table += names.vectors(
    "classifier/queries", f"{decoder}/~/trainable_position_encoding"
  )
  return table + _image_input(config.image)


def _image_input(config: image.ImageInputConfig) -> list[names.Entry]:
  ours, theirs = "classifier/image_input", "image_preprocessor"
  table: list[names.Entry] = []
  if isinstance(config.features, image.Conv1x1):
    table += names.linear(
      f"{ours}/conv_1x1", f"{theirs}/~/conv2_d", unit_axes=2
    )
  if isinstance(config.features, image.ConvPool):
    downsample = f"{theirs}/~/conv2_d_downsample/~"
    table += names.single(f"{ours}/conv", f"{downsample}/conv", {"w": "w"})
    table += names.single(
      f"{ours}/batch_norm",
      f"{downsample}/batchnorm",
      {"scale": "scale", "offset": "offset"},
    )
  if isinstance(config.positions, position_encoding.Projected):
    inner = f"{theirs}/~_build_network_inputs"
    table += names.vectors(
      f"{ours}/learned_positions", f"{inner}/trainable_position_encoding"
    )
    table += names.linear(
      f"{ours}/position_projection",
      f"{inner}/position_encoding_projector/linear",
    )
  return table
