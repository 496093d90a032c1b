"""Images as sequences of the bytes of their pixels, in raster order."""

from collections.abc import Sequence
import dataclasses

import numpy as np

from experiments.data import fashion_mnist
from experiments.data import files
from experiments.data import loader
from experiments.generation import sequences
from perceiver import bounds

_PARTS = (fashion_mnist.Part.TRAIN, fashion_mnist.Part.TEST)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """The images.

  Attributes:
    source: Fashion-MNIST.
    eval_windows: windows of an evaluation, from all over the test images; None
      for all.
  """

  source: fashion_mnist.Source = fashion_mnist.Source(
    fashion_mnist.Kind.FASHION_MNIST
  )
  eval_windows: int | None = 2048

  def __post_init__(self) -> None:
    bounds.check_ranges(self, "eval_windows")


@dataclasses.dataclass(frozen=True)
class Sequences(Sequence[np.ndarray]):
  """A start and the pixels of each image, [1 + pixels] int32."""

  images: np.ndarray  # [B, rows, columns, channels] uint8

  def __len__(self) -> int:
    return len(self.images)

  def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
    return sequences.sequence(self.images[index].reshape(-1))[:-1]


def _images(
  source: fashion_mnist.Source,
  part: fashion_mnist.Part,
  grid: tuple[int, int, int],
) -> np.ndarray:  # [B, rows, columns, channels] uint8
  """Returns the images of a part; synthetic ones have any size."""
  pixels = fashion_mnist.read(source, part).pixels[..., None]
  own = pixels.shape[1:]
  if grid == own:
    return pixels
  if not source.is_synthetic:
    raise files.InputError(
      f"The model is for images of {grid}; expected {own}, Fashion-MNIST's, "
      "the only images that are read."
    )
  rows, columns = (np.arange(n) * m // n for n, m in zip(grid[:2], own))
  resized = pixels[:, rows[:, None], columns]  # [B, rows, columns, 1]
  return resized.repeat(grid[2], axis=-1)


def documents(source: fashion_mnist.Source) -> tuple[list[bytes], list[bytes]]:
  """Returns the bytes of training images, and of test images.

  Raises:
    files.InputError: if a file is missing or damaged.
  """
  train, test = (fashion_mnist.read(source, part).pixels for part in _PARTS)
  return [x.tobytes() for x in train], [x.tobytes() for x in test]


def splits(
  config: DataConfig,
  grid: tuple[int, int, int],
  context: int,
  num_latents: int,
) -> tuple[loader.Split, loader.Split]:
  """Returns the splits; entries are those of `sequences.example`.

  Raises:
    files.InputError: if the grid is not the images', or a file is damaged.
  """
  train, test = (
    Sequences(_images(config.source, part, grid)) for part in _PARTS
  )
  return sequences.splits(
    train,
    test,
    config.source.kind.value,
    context=context,
    num_latents=num_latents,
    most=config.eval_windows,
  )
