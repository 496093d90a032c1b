"""Other classifiers of images, on the Perceiver's inputs.

A configuration replaces the Perceiver's in the same recipes; 2103.03206 tables
1 and 2 compare with them.
"""

import dataclasses

import haiku as hk
import jax

from perceiver import position_encoding
from perceiver.adapters import image
from perceiver.attention import input_parts
from perceiver.models import grid_networks

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridClassifierConfig:
  """A network over the grid of an image's inputs.

  Attributes:
    inputs: size of the images, features and positions.
    backbone: the network.
    num_classes: the number of classes.
  """

  inputs: image.ImageInputConfig
  backbone: grid_networks.GridNetworkConfig
  num_classes: int = 1000

  def __post_init__(self) -> None:
    grid_networks.check_grid(self.backbone, self.inputs.grid)

  def with_num_classes(self, count: int) -> "GridClassifierConfig":
    """Returns the configuration with another number of classes."""
    return dataclasses.replace(self, num_classes=count)

  def network(self, is_training: bool = False) -> "GridClassifier":
    """Returns the Haiku module."""
    return GridClassifier(self, is_training, name="grid_classifier")

  def example(self, batch_size: int = 1) -> tuple[jax.ShapeDtypeStruct]:
    """Returns shape and dtype of the images, [B, H, W, C] float32."""
    return (self.inputs.example(batch_size),)


@dataclasses.dataclass
class GridClassifier(hk.Module):
  """Images to logits."""

  config: GridClassifierConfig
  is_training: bool = False
  name: str | None = None

  def __call__(self, images: Array) -> Array:  # [B, H, W, C] -> [B, classes]
    config = self.config
    parts = image.ImageInput(
      config.inputs, self.is_training, name="image_input"
    )(images)  # [B, M, C], [1, M, P]
    x = input_parts.concatenate(parts)  # [B, M, C + P]
    x = x.reshape(len(images), *config.inputs.grid, -1)  # [B, h, w, C + P]
    return grid_networks.GridNetwork(
      config.backbone, config.num_classes, self.is_training, name="backbone"
    )(x)


def classifiers(
  inputs: image.ImageInputConfig,
) -> dict[str, GridClassifierConfig]:
  """Returns the papers' baselines on the inputs of a Perceiver, by name.

  The Transformer is given images of 64 × 64. Its size is not published, nor
  whether the ViT keeps its learned positions: ViT-B's, and Fourier codes alone.
  """
  size = (64, 64)
  code = position_encoding.Fourier(num_bands=64, max_resolution=size)
  small = dataclasses.replace(inputs, size=size, positions=code)
  vit = grid_networks.VisionTransformerConfig
  return {
    "resnet": GridClassifierConfig(
      inputs=inputs, backbone=grid_networks.ResNetConfig()
    ),
    "vit": GridClassifierConfig(inputs=inputs, backbone=vit()),
    "transformer": GridClassifierConfig(
      inputs=small, backbone=vit(patch_size=1)
    ),
  }
