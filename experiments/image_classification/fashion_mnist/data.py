"""Splits of Fashion-MNIST, and the augmentation usual for it."""

import dataclasses
import pathlib

import numpy as np
from PIL import Image

from experiments.data import fashion_mnist
from experiments.data import files
from experiments.data import loader
from perceiver import bounds

_Example = tuple[np.ndarray, np.int32]
# Area and aspect ratio of what is erased (1708.04896), of the image's.
_ERASED_AREA = (0.02, 0.4)
_ERASED_ASPECT = 0.3
_TRIES = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
  """Random changes to training images.

  Attributes:
    max_shift: the most pixels that an image is moved by along each axis. The
      small recipes underfit, and learn faster from images that stay in place.
    horizontal_flip: whether every other image is flipped.
    erase: the share of images of which a rectangle is erased (1708.04896);
      models that still underfit need none.
  """

  max_shift: int = 0
  horizontal_flip: bool = True
  erase: float = 0.0

  def __post_init__(self) -> None:
    bounds.check_ranges(self, max_shift="[0, 27]", erase="[0, 1]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """Images for training and evaluation.

  Attributes:
    source: the images.
    hold_out: whether the last 5,000 training images are left out of training
      and evaluated in place of the test images, as choices between settings
      need. Of fewer images it is one in twelve.
    augmentation: of training images.
  """

  source: fashion_mnist.Source = fashion_mnist.Source(
    fashion_mnist.Kind.FASHION_MNIST
  )
  hold_out: bool = False
  augmentation: AugmentationConfig = AugmentationConfig()


def splits(config: DataConfig) -> tuple[loader.Split, loader.Split]:
  """Returns the splits for training and for evaluation.

  Batches of both have "images", float32 [B, 28, 28, 1] of about mean 0 and
  variance 1, and "labels", int32 [B].

  Raises:
    files.InputError: see `fashion_mnist.read`.
  """
  train, evaluation = parts(config.hold_out)
  return (
    _split(config.source, train, _Transform(config.augmentation)),
    _split(config.source, evaluation, _Transform(None)),
  )


def parts(hold_out: bool) -> tuple[fashion_mnist.Part, fashion_mnist.Part]:
  """Returns the parts for training and for evaluation; see `DataConfig`."""
  part = fashion_mnist.Part
  if hold_out:
    return part.FITTING, part.HELD_OUT
  return part.TRAIN, part.TEST


def _split(
  source: fashion_mnist.Source,
  part: fashion_mnist.Part,
  transform: "_Transform",
) -> loader.Split:
  found = fashion_mnist.read(source, part)
  name = loader.split_name(
    source.kind.value, part.value, official=found.official
  )
  return loader.Split(list(zip(found.pixels, found.labels)), transform, name)


@dataclasses.dataclass(frozen=True)
class _Transform:
  """Augments and normalises an example; the former if configured."""

  config: AugmentationConfig | None

  def __call__(
    self, example: _Example, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    pixels, label = example
    if self.config is not None:
      pixels = augment(pixels, generator, self.config)
    return {"images": _normalised(pixels), "labels": np.asarray(label)}


def read_image(path: pathlib.Path) -> np.ndarray:  # [28, 28, 1] float32
  """Reads an image of any format and size, and prepares it for a model.

  Raises:
    files.InputError: if it cannot be read.
  """
  image = Image.fromarray(files.read_image(path)).convert("L")
  return _normalised(np.asarray(image.resize(fashion_mnist.SIZE)))


def _normalised(pixels: np.ndarray) -> np.ndarray:  # [H, W] -> [H, W, 1]
  image = pixels / np.float32(255) - np.float32(fashion_mnist.MEAN)
  return image[..., None] / np.float32(fashion_mnist.STDDEV)


def augment(
  pixels: np.ndarray,
  generator: np.random.Generator,
  config: AugmentationConfig,
) -> np.ndarray:
  """Moves, flips and erases at random.

  Args:
    pixels: [H, W] uint8; what comes in over the border is 0, the background.
    generator: source of randomness.
    config: what is done.

  Returns:
    Another image of the same shape.
  """
  shift = config.max_shift
  down, right = generator.integers(0, 2 * shift + 1, 2)
  height, width = pixels.shape
  padded = np.pad(pixels, shift)
  moved = padded[down : down + height, right : right + width]
  if config.horizontal_flip and generator.integers(2):
    moved = moved[:, ::-1]
  if generator.random() < config.erase:
    moved = moved.copy()
    _erase(moved, generator)
  return moved


def _erase(pixels: np.ndarray, generator: np.random.Generator) -> None:
  """Replaces a random rectangle by noise, in place."""
  height, width = pixels.shape
  for _ in range(_TRIES):
    area = generator.uniform(*_ERASED_AREA) * height * width
    log_aspect = abs(np.log(_ERASED_ASPECT))
    aspect = np.exp(generator.uniform(-log_aspect, log_aspect))
    rows, columns = int((area * aspect) ** 0.5), int((area / aspect) ** 0.5)
    if 0 < rows < height and 0 < columns < width:
      top = generator.integers(0, height - rows)
      left = generator.integers(0, width - columns)
      box = pixels[top : top + rows, left : left + columns]
      box[:] = generator.integers(0, 256, box.shape)
      return
