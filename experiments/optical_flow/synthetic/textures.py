"""Textures: synthetic patterns, or crops of images in a folder."""

from collections.abc import Callable
import dataclasses
import functools
import itertools
import math
import pathlib

import numpy as np
from PIL import Image
from scipy import fft  # type: ignore[import-untyped]

from experiments.data import files
from perceiver import bounds

_NUM_COLOURS = 256  # steps of a palette
_SHORT_SIDE = 1024  # pixels; larger images are kept in memory reduced to it
_CACHE_SIZE = 32  # images


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextureConfig:
  """Distribution of textures.

  Attributes:
    noise: frequency of noise of several octaves, relative to the next two.
    gradients: frequency of linear and radial gradients.
    stripes: frequency of stripes and checks.
    largest: longest wavelength of noise and stripes, in heights of the frame.
    finest: shortest wavelength, in pixels. Long ones make motions easier to
      find; below 3, interpolation is visible.
    grain: largest standard deviation of the noise on top of every texture; the
      full range is 255.
    folder: of images to crop textures from, or None.
    folder_share: share of the textures from the folder, if there is one. Files
      of up to some 1,000 pixels are read fastest.
  """

  noise: float = 3.0
  gradients: float = 1.0
  stripes: float = 1.0
  largest: float = 0.5
  finest: float = 3.0
  grain: float = 30.0
  folder: pathlib.Path | None = None
  folder_share: float = 0.8

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self,
      noise="[0, inf)",
      gradients="[0, inf)",
      stripes="[0, inf)",
      largest="[0.01, 10]",
      finest="[2, 1000]",
      grain="[0, 255]",
      folder_share="[0, 1]",
    )
    if not self.noise + self.gradients + self.stripes:
      raise ValueError(
        "TextureConfig: noise, gradients and stripes are all 0; expected one "
        "of them more than 0."
      )


def list_folder(config: TextureConfig) -> tuple[pathlib.Path, ...]:
  """Returns the images to crop textures from, none if there is no folder.

  Raises:
    FileNotFoundError: if the folder does not exist.
    files.InputError: if it has no images.
  """
  if config.folder is None:
    return ()
  return tuple(files.list_images([config.folder]))


def sample(
  config: TextureConfig,
  images: tuple[pathlib.Path, ...],
  generator: np.random.Generator,
  size: tuple[int, int],
  height: int,
) -> np.ndarray:  # [h, w, 3] float32
  """Samples a texture.

  Args:
    config: distribution of textures.
    images: files of `list_folder`.
    generator: source of randomness.
    size: height and width of the texture, pixels.
    height: of the frame, pixels.

  Returns:
    Colours from 0 to 255.

  Raises:
    files.InputError: if an image cannot be read.
  """
  if images and generator.uniform() < config.folder_share:
    return crop(images[generator.integers(len(images))], generator, size)
  shares = (config.noise, config.gradients, config.stripes)
  at = sum(shares) * generator.uniform()
  kind = sum(at >= edge for edge in itertools.accumulate(shares[:-1]))
  waves = (config.finest, max(config.largest * height, config.finest))
  pattern = _PATTERNS[kind](generator, size, waves)  # [h, w]
  steps = np.clip(pattern * (_NUM_COLOURS - 1), 0, _NUM_COLOURS - 1)
  colours = _palette(generator).take(steps.astype(np.uint8), axis=0)
  grain = config.grain * generator.uniform() * noise(generator, size, waves)
  tint = generator.uniform(0.5, 1.0, 3).astype(np.float32)
  return np.clip(colours + tint * grain[..., None], 0, 255)


def noise(
  generator: np.random.Generator,
  size: tuple[int, int],
  waves: tuple[float, float],
) -> np.ndarray:  # [h, w] float32
  """Returns noise of mean 0 and standard deviation 1, smooth between pixels.

  It has all octaves between two wavelengths. Equal amplitudes look natural,
  smaller ones of short waves look smooth; their ratio is random.

  Args:
    generator: source of randomness.
    size: height and width, pixels.
    waves: shortest and longest wavelength, pixels.
  """
  shortest, longest = waves
  # Noise is made at a size that contains its longest wave and whose Fourier
  # transform is fast, and cropped.
  height, width = (
    fft.next_fast_len(max(n, math.ceil(longest)), real=True) for n in size
  )
  rows = np.fft.fftfreq(height).astype(np.float32)[:, None]
  columns = np.fft.rfftfreq(width).astype(np.float32)
  squared = rows**2 + columns**2  # [height, width // 2 + 1], (1 / pixels)²
  # In two dimensions octaves are equally strong if the amplitude is 1 / f.
  strength = (squared + longest**-2) ** np.float32(-generator.uniform(0.5, 1))
  strength[squared > shortest**-2] = 0
  strength[0, 0] = 0
  parts = generator.standard_normal((2, *strength.shape), np.float32)
  spectrum = (parts[0] + 1j * parts[1]) * strength
  field = fft.irfft2(spectrum, (height, width))[: size[0], : size[1]]
  return (field - field.mean()) / max(float(field.std()), 1e-6)


def crop(
  path: pathlib.Path, generator: np.random.Generator, size: tuple[int, int]
) -> np.ndarray:  # [h, w, 3] float32
  """Returns a random crop of an image, with or without a horizontal flip.

  Args:
    path: of an image.
    generator: source of randomness.
    size: height and width of the crop, pixels. Larger images are reduced by a
      random factor, smaller ones enlarged until they are large enough.

  Raises:
    files.InputError: if it is not an image.
  """
  image = _read(path)
  smallest = max(size[0] / image.height, size[1] / image.width)
  scale = smallest * max(1 / smallest, 1.0) ** generator.uniform()
  height, width = size[0] / scale, size[1] / scale
  top = generator.uniform(0, max(image.height - height, 0))
  left = generator.uniform(0, max(image.width - width, 0))
  box = (
    left,
    top,
    min(left + width, image.width),
    min(top + height, image.height),
  )
  patch = image.resize(size[::-1], Image.Resampling.BICUBIC, box)
  if generator.uniform() < 0.5:
    patch = patch.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
  return np.asarray(patch, np.float32)


@functools.lru_cache(maxsize=_CACHE_SIZE)
def _read(path: pathlib.Path) -> Image.Image:
  image = Image.fromarray(files.read_image(path))
  factor = min(image.size) // _SHORT_SIDE
  return image.reduce(factor) if factor > 1 else image


def _palette(generator: np.random.Generator) -> np.ndarray:  # [256, 3] float32
  """Samples a few colours, and interpolates between them."""
  count = int(generator.integers(2, 6))
  colours = generator.uniform(0, 255, (count, 3))
  grey = colours.mean(axis=1, keepdims=True)
  colours = grey + generator.uniform() * (colours - grey)
  positions = np.linspace(0, 1, count)
  steps = np.linspace(0, 1, _NUM_COLOURS)
  table = [np.interp(steps, positions, c) for c in colours.T]
  return np.stack(table, axis=-1).astype(np.float32)


# Patterns are [h, w], mostly from 0 to 1.
Pattern = Callable[
  [np.random.Generator, tuple[int, int], tuple[float, float]], np.ndarray
]


def _gradient(
  generator: np.random.Generator,
  size: tuple[int, int],
  waves: tuple[float, float],
) -> np.ndarray:
  rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) for n in size)
  if generator.uniform() < 0.5:
    angle = generator.uniform(0, 2 * math.pi)
    ramp = math.cos(angle) * columns + math.sin(angle) * rows[:, None]
    return 0.5 + 0.4 * ramp
  y, x = generator.uniform(-1, 1, 2)
  return 0.5 * np.hypot(columns - x, rows[:, None] - y)


def _stripes(
  generator: np.random.Generator,
  size: tuple[int, int],
  waves: tuple[float, float],
) -> np.ndarray:
  """Returns upright stripes or checks; layers rotate all textures."""
  shortest, longest = waves
  period = shortest * (longest / shortest) ** generator.uniform()
  rows, columns = (
    np.sin(2 * math.pi / period * np.arange(n, dtype=np.float32) + start)
    for n, start in zip(size, generator.uniform(0, 2 * math.pi, 2))
  )
  wave = np.broadcast_to(columns, size)
  if generator.uniform() < 0.5:
    wave = wave * rows[:, None]
  # An edge is as wide as a pixel at its sharpest, and a whole wave at most.
  sharp = generator.uniform(0.5, max(period / math.pi, 1.0))
  return 0.5 + 0.5 * np.clip(sharp * wave, -1, 1)


_PATTERNS: tuple[Pattern, ...] = (
  lambda *settings: 0.5 + 0.25 * noise(*settings),
  _gradient,
  _stripes,
)
