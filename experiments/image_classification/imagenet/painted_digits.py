"""A synthetic data set in ImageNet's format, from handwritten digits.

The digits of scikit-learn are painted in random colours, sizes and positions on
a random background, saved as JPEG, and prepared as any folder of images. With
it, the ImageNet pipeline runs without ImageNet.
"""

import os
import pathlib
import tempfile

import numpy as np
from PIL import Image
from PIL import ImageFilter

NAME = "painted_digits"
NUM_CLASSES = 10
_SIZE = 72  # pixels
_HELD_OUT_SHARE = 0.2
_SEED = 0


def prepare(data_dir: pathlib.Path, copies: int = 3) -> None:
  """Makes the data set unless it exists.

  Args:
    data_dir: the folder of data sets.
    copies: number of images of each digit for training.
  """
  if (data_dir / NAME).exists():
    return
  data_dir.mkdir(parents=True, exist_ok=True)
  with tempfile.TemporaryDirectory(
    dir=data_dir, prefix=".painting_"
  ) as scratch:
    folder = pathlib.Path(scratch)
    _paint_all(folder, copies)
    # Much to load, for the first run alone.
    from experiments.image_classification.imagenet import prepare_folder

    prepare_folder.prepare(
      prepare_folder.PrepareConfig(folder=folder, name=NAME, data_dir=folder)
    )
    try:
      os.rename(folder / NAME, data_dir / NAME)
    except OSError:
      if not (data_dir / NAME).exists():  # of another process
        raise


def _paint_all(folder: pathlib.Path, copies: int) -> None:
  from sklearn import datasets

  digits = datasets.load_digits()
  generator = np.random.default_rng(_SEED)
  for i, (image, label) in enumerate(zip(digits.images, digits.target)):
    held_out = generator.uniform() < _HELD_OUT_SHARE
    target = folder / ("validation" if held_out else "train") / str(label)
    target.mkdir(parents=True, exist_ok=True)
    for copy in range(1 if held_out else copies):
      painted = paint(image / 16.0, generator)
      painted.save(target / f"{i:04d}_{copy}.jpg", quality=90)


def paint(digit: np.ndarray, generator: np.random.Generator) -> Image.Image:
  """Paints one digit.

  Args:
    digit: [8, 8], 0 for paper and 1 for ink.
    generator: of colours, size and position.

  Returns:
    An RGB image of 72 × 72 pixels, the digit 40 to 60 pixels tall.
  """
  side = int(generator.integers(40, 61))
  top, left = generator.integers(0, _SIZE - side + 1, 2)
  ink = Image.fromarray(np.uint8(digit * 255)).resize((side, side))
  mask = Image.new("L", (_SIZE, _SIZE))
  mask.paste(ink, (int(left), int(top)))
  clutter = np.uint8(generator.integers(0, 256, (6, 6, 3)))
  ground = Image.fromarray(clutter).resize(
    (_SIZE, _SIZE), Image.Resampling.BICUBIC
  )
  ground = Image.blend(
    ground, Image.new("RGB", ground.size, _colour(generator, 0, 110)), 0.7
  )
  colour = Image.new("RGB", ground.size, _colour(generator, 140, 256))
  painted = Image.composite(colour, ground, mask)
  return painted.filter(ImageFilter.GaussianBlur(0.5))


def _colour(
  generator: np.random.Generator, low: int, high: int
) -> tuple[int, int, int]:
  red, green, blue = (int(x) for x in generator.integers(low, high, 3))
  return red, green, blue
