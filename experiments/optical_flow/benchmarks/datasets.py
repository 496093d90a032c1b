"""Public data sets of optical flow, in their published folders.

Nothing is downloaded. A data set that lacks files, or has another number of
examples than its authors state, is refused.
"""

import dataclasses
import enum
import pathlib

from experiments.data import files
from experiments.optical_flow.benchmarks import layouts
from experiments.optical_flow.benchmarks import pairs


class Dataset(enum.Enum):
  """Sources of pairs: synthetic ones, or the folder of a data set.

  Training reads the training part of FlyingChairs, evaluation the other one;
  of all other data sets, both read the part whose flow is published. FRAMES is
  any folder of frames, whose flow is unknown.
  """

  SYNTHETIC = "synthetic"
  AUTOFLOW = "autoflow"
  FLYING_CHAIRS = "flying_chairs"
  SINTEL_CLEAN = "sintel_clean"
  SINTEL_FINAL = "sintel_final"
  KITTI_2012 = "kitti_2012"
  KITTI_2015 = "kitti_2015"
  MIDDLEBURY = "middlebury"
  HD1K = "hd1k"
  FRAMES = "frames"


class Part(enum.Enum):
  """Parts of data sets: two with flow, and those of benchmarks without."""

  TRAIN = "train"
  VALIDATION = "validation"  # of FlyingChairs alone
  TEST = "test"


# Official numbers of examples; None where it is not certain.
COUNTS: dict[tuple[Dataset, Part], int | None] = {
  (Dataset.AUTOFLOW, Part.TRAIN): 40_000,
  (Dataset.FLYING_CHAIRS, Part.TRAIN): 22_232,
  (Dataset.FLYING_CHAIRS, Part.VALIDATION): 640,
  (Dataset.SINTEL_CLEAN, Part.TRAIN): 1_041,
  (Dataset.SINTEL_CLEAN, Part.TEST): 552,
  (Dataset.SINTEL_FINAL, Part.TRAIN): 1_041,
  (Dataset.SINTEL_FINAL, Part.TEST): 552,
  (Dataset.KITTI_2012, Part.TRAIN): 194,
  (Dataset.KITTI_2012, Part.TEST): 195,
  (Dataset.KITTI_2015, Part.TRAIN): 200,
  (Dataset.KITTI_2015, Part.TEST): 200,
  (Dataset.MIDDLEBURY, Part.TRAIN): 8,
  (Dataset.MIDDLEBURY, Part.TEST): 12,
  (Dataset.HD1K, Part.TRAIN): None,
  (Dataset.HD1K, Part.TEST): None,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetConfig:
  """A part of a public data set.

  Attributes:
    dataset: the data set.
    data_dir: its folder; see the functions of `layouts`.
    part: one of those in `COUNTS`.
    split_file: of FlyingChairs: one line for every example, 1 for TRAIN and 2
      for VALIDATION; None is FlyingChairs_train_val.txt, as published, or
      chairs_split.txt in `data_dir`.
    without_invalid: exclude the pixels that Sintel marks as invalid. The papers
      that report errors on TRAIN include them, as far as is known.
    allow_partial: accept another number of examples than the official one.
  """

  dataset: Dataset
  data_dir: pathlib.Path
  part: Part = Part.TRAIN
  split_file: pathlib.Path | None = None
  without_invalid: bool = False
  allow_partial: bool = False

  def __post_init__(self) -> None:
    if (self.dataset, self.part) not in COUNTS:
      raise ValueError(
        f"DatasetConfig: part is {self.part.value}; expected one that "
        f"{self.dataset.value} has."
      )
    if self.without_invalid and self.part is Part.TEST:
      raise ValueError(
        "DatasetConfig: without_invalid is True; expected False for the test "
        "part, whose pixels are not marked."
      )

  @property
  def expected(self) -> int | None:
    """The official number of examples, None if it is not certain."""
    return COUNTS[self.dataset, self.part]


def open_dataset(config: DatasetConfig) -> pairs.PairSource:
  """Lists all examples of a data set; their files are read one by one later.

  Returns:
    A source with `expected`, the official number of examples, None for HD1K.

  Raises:
    files.InputError: if folders or files are missing, or there are more or
      fewer examples than there should be.
  """
  found = _find(config)
  expected = config.expected
  missing = [p for pair in found for p in pair.paths() if not p.exists()]
  if missing:
    more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
    raise files.InputError(f"{config.data_dir} lacks {missing[0]}{more}.")
  if not found or (
    not config.allow_partial and len(found) != (expected or len(found))
  ):
    raise files.InputError(
      f"{config.data_dir} has {len(found)} examples of {config.dataset.value} "
      f"{config.part.value}; expected {expected or 'some'}."
      + (" Set allow_partial to use them as they are." if found else "")
    )
  return pairs.PairSource(tuple(found), expected)


def _find(config: DatasetConfig) -> list[pairs.Pair]:
  """Returns the pairs whose first frames, or flow, exist."""
  root, train = config.data_dir, config.part is Part.TRAIN
  match config.dataset:
    case Dataset.AUTOFLOW:
      return layouts.autoflow(root)
    case Dataset.FLYING_CHAIRS:
      return layouts.flying_chairs(root, config.split_file, 1 if train else 2)
    case Dataset.SINTEL_CLEAN | Dataset.SINTEL_FINAL:
      render_pass = config.dataset.value.removeprefix("sintel_")
      return layouts.sintel(root, render_pass, train, config.without_invalid)
    case Dataset.KITTI_2012:
      return layouts.kitti(root, "colored_0", train)
    case Dataset.KITTI_2015:
      return layouts.kitti(root, "image_2", train)
    case Dataset.MIDDLEBURY:
      return layouts.middlebury(root, train)
    case Dataset.HD1K:
      return layouts.hd1k(root, train)
    case _:
      raise ValueError(f"no layout is known for {config.dataset.value}.")
