"""A tiny model of optical flow, and examples that are made in no time."""

import dataclasses

import numpy as np

from experiments.optical_flow import examples
from experiments.optical_flow.augmentation import backward_flow
from perceiver.models import optical_flow

SIZE = (16, 24)


def model_config(**changes):
  """Returns a model of 6 latents × 16 channels, for frames of `SIZE`."""
  settings = {
    "size": SIZE,
    "num_bands": 2,
    "num_latents": 6,
    "latent_channels": 16,
    "num_layers": 1,
    "num_heads": 2,
    **changes,
  }
  return optical_flow.optical_flow(**settings)


@dataclasses.dataclass(frozen=True)
class Translations:
  """Noise that moves as a whole, by whole pixels; example i by (i % 3, -1)."""

  size: tuple[int, int] = SIZE
  num_examples: int = 8

  def __len__(self):
    return self.num_examples

  def __getitem__(self, index):
    height, width = self.size
    numbers = np.random.default_rng(index)
    world = numbers.integers(0, 256, (height + 8, width + 8, 3), np.uint8)
    x, y = index % 3, -1
    crop = lambda dx, dy: world[4 - dy :, 4 - dx :][:height, :width]
    return examples.FlowExample(
      name=f"translation_{index}",
      frames=np.stack([crop(0, 0), crop(x, y)]),
      flow=np.broadcast_to(np.float32([x, y]), (height, width, 2)).copy(),
      valid=np.ones((height, width), np.bool_),
    )

  def backward(self, index):
    return backward_flow.approximate(self[index])
