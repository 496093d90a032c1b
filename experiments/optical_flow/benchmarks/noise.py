"""Noise in frames: of a published test of robustness, and a corrected form.

The published test (a student project on flow under attack, with the numbers in
`robustness`) has two defects that the published form keeps: one sample of
Gaussian noise is stretched to every image, and negative values wrap around, so
that dark pixels become bright. Its noise cannot be reproduced, because the
wrong generator was seeded; here it has a seed.
"""

import numpy as np

from experiments.data import files

PATCH = 100  # pixels; height, width and the distance to the top and the left
STDDEV = 0.05  # of colours in [0, 1]
_PUBLISHED_SIZE = (380, 1250, 3)  # of the one sample


def salt_and_pepper(
  generator: np.random.Generator,
) -> np.ndarray:  # [100, 100, 3] uint8
  """Samples a patch of black and white pixels, each with probability ½."""
  white = generator.integers(0, 2, (PATCH, PATCH, 1))
  return np.tile(255 * white, (1, 1, 3)).astype(np.uint8)


def sample(generator: np.random.Generator) -> np.ndarray:  # [380, 1250, 3]
  """Samples the Gaussian noise of all images of the published test."""
  return generator.normal(0.0, STDDEV, _PUBLISHED_SIZE)


def corrupt_patch(
  frames: np.ndarray,  # [2, H, W, 3] uint8
  patch: np.ndarray,  # [100, 100, 3] uint8
) -> np.ndarray:  # [2, H, W, 3] uint8
  """Puts a patch over rows and columns 100 to 199 of both frames.

  Raises:
    files.InputError: if the frames have fewer than 200 rows or columns.
  """
  end = 2 * PATCH
  height, width = frames.shape[1:3]
  if min(height, width) < end:
    raise files.InputError(
      f"Frames have {height} × {width} pixels, too few for the patch; "
      f"expected at least {end} × {end}."
    )
  corrupted = frames.copy()
  corrupted[:, PATCH:end, PATCH:end] = patch
  return corrupted


def corrupt_gaussian_published(
  frames: np.ndarray,  # [2, H, W, 3] uint8
  noise: np.ndarray,  # [h, w, 3] of colours in [0, 1]
) -> np.ndarray:  # [2, H, W, 3] uint8
  """Adds the same noise, stretched, to both frames; negatives wrap around.

  Colours are clipped at 255 and rounded towards zero; −12 becomes 244.
  """
  stretched = stretch(noise, *frames.shape[1:3])  # [H, W, 3]
  corrupted = 255 * np.clip(frames / 255 + stretched, -1, 1)
  return corrupted.astype(np.int64).astype(np.uint8)


def corrupt_gaussian(
  frames: np.ndarray,  # [2, H, W, 3] uint8
  generator: np.random.Generator,
) -> np.ndarray:  # [2, H, W, 3] uint8
  """Adds independent noise to every pixel of each frame, and clips colours."""
  noise = generator.normal(0.0, STDDEV, frames.shape)
  return np.rint(255 * np.clip(frames / 255 + noise, 0, 1)).astype(np.uint8)


def stretch(
  image: np.ndarray,  # [h, w, C]
  height: int,
  width: int,
) -> np.ndarray:  # [H, W, C]
  """Resizes bilinearly as OpenCV does: by centres, without smoothing."""
  for axis, size in enumerate((height, width)):
    length = image.shape[axis]
    at = (np.arange(size) + 0.5) * length / size - 0.5
    at = np.clip(at, 0, length - 1)
    below = np.minimum(at.astype(int), max(length - 2, 0))
    above = np.minimum(below + 1, length - 1)
    others = tuple(x for x in range(3) if x != axis)
    share = np.expand_dims(at - below, others)
    image = (1 - share) * np.take(image, below, axis) + (
      share * np.take(image, above, axis)
    )
  return image
