"""A small convolutional network, for comparison.

Its only prior of positions is the grid of pixels. If pixels are permuted, they
are permuted on its grid.
"""

import dataclasses

import haiku as hk
import jax

from perceiver.adapters import image

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvNetConfig:
  """Three 3×3 convolutions and a mean over the grid.

  Attributes:
    inputs: size of the images, features and positions.
    channels: of the convolutions; each after the first halves the grid.
    num_classes: the number of classes.
  """

  inputs: image.ImageInputConfig
  channels: tuple[int, ...] = (32, 64, 64)
  num_classes: int

  def network(self, is_training: bool = False) -> "ConvNet":
    """Returns the Haiku module."""
    return ConvNet(self, is_training, name="convnet")

  def example(self, batch_size: int = 1) -> tuple[jax.ShapeDtypeStruct]:
    """Returns shape and dtype of the images, [B, H, W, C] float32."""
    return (self.inputs.example(batch_size),)


@dataclasses.dataclass
class ConvNet(hk.Module):
  """Images to logits."""

  config: ConvNetConfig
  is_training: bool = False
  name: str | None = None

  def __call__(self, images: Array) -> Array:  # [B, H, W, C] -> [B, classes]
    config = self.config
    x, _ = image.ImageInput(
      config.inputs, self.is_training, name="image_input"
    )(images)  # [B, M, C]
    x = x.reshape(len(images), *config.inputs.grid, -1)  # [B, h, w, C]
    for i, channels in enumerate(config.channels):
      stride = 2 if i else 1
      conv = hk.Conv2D(channels, 3, stride, name=f"conv_{i}")
      x = jax.nn.relu(conv(x))  # [B, h, w, C]
    return hk.Linear(config.num_classes, name="output")(x.mean(axis=(1, 2)))
