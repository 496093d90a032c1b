"""Pairs of frames in files, with flow and masks where they are published.

Frames may be of any format and depth that Pillow reads, and of any size:
greyscale becomes three equal channels, an alpha channel is dropped, and of
16 bits the upper eight are kept. Two frames, their flow and their masks must
have the same size.
"""

from collections.abc import Sequence
import dataclasses
import itertools
import pathlib

import numpy as np

from experiments.data import files
from experiments.optical_flow import examples
from experiments.optical_flow.augmentation import backward_flow
from experiments.optical_flow.benchmarks import flow_files


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
  """The files of one example.

  Attributes:
    name: of the example, without suffix.
    frames: the first and the second.
    flow: .flo, or .png in KITTI's format; None if it is not published.
    flow_visible: the same flow, valid only where pixels are visible in the
      second frame.
    occluded: a mask, white where pixels are not visible in the second frame.
    invalid: a mask, white where the flow is not valid.
  """

  name: str
  frames: tuple[pathlib.Path, pathlib.Path]
  flow: pathlib.Path | None = None
  flow_visible: pathlib.Path | None = None
  occluded: pathlib.Path | None = None
  invalid: pathlib.Path | None = None

  def paths(self) -> list[pathlib.Path]:
    """Returns all files of the example."""
    more = (self.flow, self.flow_visible, self.occluded, self.invalid)
    return [*self.frames, *(path for path in more if path is not None)]


@dataclasses.dataclass(frozen=True)
class PairSource:
  """Examples that are read one by one.

  Attributes:
    pairs: their files.
    expected: number of examples in the whole data set; None if it is not
      known, or not a data set.
  """

  pairs: tuple[Pair, ...]
  expected: int | None = None

  def __len__(self) -> int:
    return len(self.pairs)

  def __getitem__(self, index: int) -> examples.FlowExample:
    return read(self.pairs[index])

  def backward(self, index: int) -> examples.FlowExample:
    """Returns an example in backward order, with approximate flow."""
    return backward_flow.approximate(self[index])


def read(pair: Pair) -> examples.FlowExample:
  """Reads an example; without a flow file, nothing of its flow is valid.

  Raises:
    files.InputError: if a file cannot be read, or has another size than the
      first frame.
  """
  first = files.read_image(pair.frames[0])
  size = first.shape[:2]

  def checked(path: pathlib.Path, array: np.ndarray) -> np.ndarray:
    if array.shape[:2] != size:
      found, expected = (
        " × ".join(map(str, x)) for x in (array.shape[:2], size)
      )
      raise files.InputError(
        f"{path} has {found} pixels; expected {expected} as {pair.frames[0]}."
      )
    return array

  def mask(path: pathlib.Path) -> np.ndarray:
    return checked(path, files.read_image(path))[..., 0] > 127

  second = checked(pair.frames[1], files.read_image(pair.frames[1]))
  flow = np.zeros((*size, 2), np.float32)
  valid = np.zeros(size, np.bool_)
  if pair.flow is not None:
    flow, valid = flow_files.read_flow(pair.flow)
    checked(pair.flow, flow)
  occluded = None
  if pair.flow_visible is not None:
    _, visible = flow_files.read_flow(pair.flow_visible)
    occluded = valid & ~checked(pair.flow_visible, visible)
  elif pair.occluded is not None:
    occluded = mask(pair.occluded)
  if pair.invalid is not None:
    valid = valid & ~mask(pair.invalid)
    flow = np.where(valid[..., None], flow, 0)
  return examples.FlowExample(
    name=pair.name,
    frames=np.stack([first, second]),
    flow=flow,
    valid=valid,
    occluded=occluded,
  )


def consecutive(paths: Sequence[pathlib.Path]) -> PairSource:
  """Returns the pairs of neighbouring frames, of unknown flow.

  Args:
    paths: frames, or folders of them; see `files.list_images`. Neighbours from
      different folders are no pair.

  Raises:
    FileNotFoundError: if a path does not exist.
    files.InputError: if there are no two frames.
  """
  neighbours = itertools.pairwise(files.list_images(paths))
  pairs = tuple(
    Pair(name=first.stem, frames=(first, second))
    for first, second in neighbours
    if first.parent == second.parent
  )
  if not pairs:
    raise files.InputError(
      f"{', '.join(map(str, paths))}: optical flow needs at least two frames."
    )
  return PairSource(pairs)
