"""RandAugment (Cubuk et al., 2019) of the Perceiver IO recipe.

Each image goes through a few random operations, all of one magnitude.
"""

from collections.abc import Callable, Sequence
import dataclasses
import math

import numpy as np
from PIL import Image
from PIL import ImageOps

from perceiver import bounds

_FILL = (128, 128, 128)
_MAX_MAGNITUDE = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandAugmentConfig:
  """Number and magnitude of the operations.

  The defaults are the paper's (Perceiver IO, A.1). At magnitude 5 the factor
  of the four enhancing operations is exactly 1, so that they change nothing.

  Attributes:
    num_layers: operations per image, sampled with replacement; 0 is none.
    magnitude: strength of every operation, from 0 to 10.
  """

  num_layers: int = 4
  magnitude: float = 5.0

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self, num_layers="[0, inf)", magnitude=f"[0, {_MAX_MAGNITUDE}]"
    )


def augment(
  image: Image.Image,
  generator: np.random.Generator,
  config: RandAugmentConfig,
) -> Image.Image:
  """Applies `config.num_layers` random operations to an RGB image.

  Every sampled operation is applied. (The released code also samples a
  probability for each, but never uses it.)

  Args:
    image: an image of mode RGB, of any size.
    generator: source of randomness.
    config: number and magnitude of the operations.

  Returns:
    An image of the same mode and size.
  """
  operations = tuple(OPERATIONS.values())
  level = config.magnitude / _MAX_MAGNITUDE
  for _ in range(config.num_layers):
    operation = operations[generator.integers(len(operations))]
    image = operation(image, level, generator)
  return image


# An operation maps (image, level in [0, 1], generator) to an image.
Operation = Callable[[Image.Image, float, np.random.Generator], Image.Image]


def _sign(generator: np.random.Generator) -> int:
  return -1 if generator.integers(2) else 1


def _solarize_add(
  image: Image.Image, level: float, generator: np.random.Generator
) -> Image.Image:
  added = int(level * 110)
  table = [min(255, v + added) if v < 128 else v for v in range(256)]
  return image.point(table * 3)


def _blending(plain_of: Callable[[np.ndarray], np.ndarray]) -> Operation:
  """Returns an operation that blends an image with a plain form of it.

  Args:
    plain_of: from pixels [H, W, 3] uint8 to their plain form, integers that
      broadcast to them.
  """

  def blend(
    image: Image.Image, level: float, generator: np.random.Generator
  ) -> Image.Image:
    factor = level * 1.8 + 0.1
    if factor == 1.0:
      return image
    pixels = np.asarray(image)  # [H, W, 3]
    plain = plain_of(pixels).astype(np.float32)
    blended = plain + np.float32(factor) * (pixels.astype(np.float32) - plain)
    # As released, fractions are cut off.
    return Image.fromarray(np.clip(blended, 0, 255).astype(np.uint8))

  return blend


def _grey(pixels: np.ndarray) -> np.ndarray:  # [H, W, 3] -> [H, W, 1]
  """Returns TensorFlow's grey of uint8 pixels, without their fractions."""
  weights = np.array([0.2989, 0.587, 0.114], np.float32)
  grey = (pixels.astype(np.float32) / 255) @ weights * np.float32(255.5)
  return np.floor(grey)[..., None]


def _contrast_grey(pixels: np.ndarray) -> np.ndarray:  # [H, W, 3] -> []
  """Returns the grey that contrast is taken against.

  It is meant to be the mean grey; the released code divides the number of
  pixels by 256, so that it is white from 65,280 pixels on.
  """
  return np.floor(np.minimum(pixels[..., 0].size / 256, 255))


def _smooth(pixels: np.ndarray) -> np.ndarray:  # [H, W, 3] -> [H, W, 3]
  """Returns means over 3 × 3 pixels, the middle five times; edges as are."""
  height, width = pixels.shape[:2]
  if min(height, width) < 3:
    return pixels
  total = 4 * pixels[1:-1, 1:-1].astype(np.float32)
  for y in range(3):
    for x in range(3):
      total += pixels[y : height - 2 + y, x : width - 2 + x]
  smooth = pixels.copy()
  smooth[1:-1, 1:-1] = np.floor(total / 13)
  return smooth


def _rotate(
  image: Image.Image, level: float, generator: np.random.Generator
) -> Image.Image:
  angle = math.radians(_sign(generator) * level * 30)
  cosine, sine = math.cos(angle), math.sin(angle)
  x, y = (image.width - 1) / 2, (image.height - 1) / 2
  return _affine(
    image,
    (cosine, -sine, x - (cosine * x - sine * y)),
    (sine, cosine, y - (sine * x + cosine * y)),
  )


def _moving(size: float, entry: tuple[int, int]) -> Operation:
  """Returns an operation that shears or translates to one of both sides.

  Args:
    size: of the entry at level 1.
    entry: row and column of the affine matrix whose entry it is.
  """

  def move(
    image: Image.Image, level: float, generator: np.random.Generator
  ) -> Image.Image:
    matrix = np.eye(2, 3)
    matrix[entry] = _sign(generator) * level * size
    return _affine(image, *matrix.tolist())

  return move


def _affine(
  image: Image.Image, to_x: Sequence[float], to_y: Sequence[float]
) -> Image.Image:
  """Returns the pixels nearest to (to_x, to_y)·(x, y, 1), grey outside.

  Coordinates count pixel centres from 0 at the top left, as in TensorFlow;
  Pillow counts pixel corners, hence the constants.
  """
  (a, b, c), (d, e, f) = to_x, to_y
  shifted = (a, b, c + (1 - a - b) / 2, d, e, f + (1 - d - e) / 2)
  return image.transform(
    image.size,
    Image.Transform.AFFINE,
    shifted,
    resample=Image.Resampling.NEAREST,
    fillcolor=_FILL,
  )


def _cutout(
  image: Image.Image, level: float, generator: np.random.Generator
) -> Image.Image:
  pad = int(level * 40)
  y, x = generator.integers(image.height), generator.integers(image.width)
  image = image.copy()
  left, top = max(0, int(x) - pad), max(0, int(y) - pad)
  right, bottom = (
    min(image.width, int(x) + pad),
    min(image.height, int(y) + pad),
  )
  if pad:
    image.paste(_FILL, (left, top, right, bottom))
  return image


OPERATIONS: dict[str, Operation] = {
  "AutoContrast": lambda image, *_: ImageOps.autocontrast(image),
  "Equalize": lambda image, *_: ImageOps.equalize(image),
  "Invert": lambda image, *_: ImageOps.invert(image),
  "Rotate": _rotate,
  # TensorFlow shifts by 7 bits at most, and so keeps one.
  "Posterize": lambda image, level, _: ImageOps.posterize(
    image, max(1, int(level * 4))
  ),
  "Solarize": lambda image, level, _: ImageOps.solarize(
    image, int(level * 256)
  ),
  "Color": _blending(_grey),
  "Contrast": _blending(_contrast_grey),
  "Brightness": _blending(lambda pixels: np.zeros((), np.uint8)),
  "Sharpness": _blending(_smooth),
  "ShearX": _moving(0.3, entry=(0, 1)),
  "ShearY": _moving(0.3, entry=(1, 0)),
  "TranslateX": _moving(100, entry=(0, 2)),
  "TranslateY": _moving(100, entry=(1, 2)),
  "Cutout": _cutout,
  "SolarizeAdd": _solarize_add,
}
