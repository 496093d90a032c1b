"""Plots synthetic pairs on one sheet, as training reads them.

  python -m experiments.prepare flow-samples samples.png

Each row is a pair: first frame, second frame, flow in colours (the wheel of
experiments/optical_flow/colours.py, full at the row's fastest pixel), and in
white the pixels of the first frame that are occluded in the second.
"""

from collections.abc import Iterable
import dataclasses
import pathlib

import numpy as np
from PIL import Image
import tyro

from experiments.data import files
from experiments.optical_flow import colours
from experiments.optical_flow import examples
from experiments.optical_flow.synthetic import generator as synthetic_generator

_GAP = 4  # pixels between images


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlotConfig:
  """Plots synthetic pairs on one sheet, as training reads them.

  Each row is a pair: first frame, second frame, flow in colours, and in white
  the pixels of the first frame that are occluded in the second.

  Attributes:
    path: the picture that is written.
    first: number of the first pair.
    rows: the number of pairs.
    backward: plot the flow from the second frame to the first.
    generator: of the pairs.
  """

  path: tyro.conf.Positional[pathlib.Path]
  first: int = 0
  rows: int = 6
  backward: bool = False
  generator: synthetic_generator.GeneratorConfig = (
    synthetic_generator.GeneratorConfig(size=(192, 256))
  )

  def __post_init__(self) -> None:
    last = self.generator.num_examples - self.rows
    if self.rows < 1 or not 0 <= self.first <= last:
      raise ValueError(
        f"PlotConfig: first is {self.first} and rows is {self.rows}; expected "
        f"at least 0 and 1, within {self.generator.num_examples} pairs"
      )


def sheet(
  pairs: Iterable[examples.FlowExample],
) -> np.ndarray:  # [h, w, 3] uint8
  """Returns a sheet with a row for each example; all have one size.

  Args:
    pairs: examples. Flow that is not valid is black; occlusions are left out
      if none of the examples has them.
  """
  rows = []
  for pair in pairs:
    flow = np.where(pair.valid[..., None], pair.flow, np.nan)
    images = [*pair.frames, colours.colour(flow)]
    if pair.occluded is not None:
      white = 255 * pair.occluded.astype(np.uint8)
      images.append(np.repeat(white[..., None], 3, axis=-1))
    rows.append(_joined(images, axis=1))
  return _joined(rows, axis=0)


def _joined(images: list[np.ndarray], axis: int) -> np.ndarray:
  """Joins images [h, w, 3] along an axis, with gaps."""
  border = [(0, 0)] * 3
  border[axis] = (0, _GAP)
  padded = [np.pad(x, border, constant_values=255) for x in images[:-1]]
  return np.concatenate([*padded, images[-1]], axis=axis)


def run(config: PlotConfig) -> None:
  """Runs the command `prepare flow-samples`.

  Raises:
    files.InputError: if a file cannot be used.
  """
  source = synthetic_generator.Generator(config.generator)
  read = source.backward if config.backward else source.__getitem__
  numbers = range(config.first, config.first + config.rows)
  picture = Image.fromarray(sheet(map(read, numbers)))
  with files.writing(config.path) as temporary:
    picture.save(temporary, optimize=True)
  print(f"{config.path}: {config.rows} pairs")
