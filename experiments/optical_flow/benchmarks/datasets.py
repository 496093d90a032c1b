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


class Split(enum.Enum):
  """Examples whose flow is published, or those of a benchmark without."""

  TRAIN = "train"
  TEST = "test"


class ChairsSplit(enum.Enum):
  """The two parts of FlyingChairs, both with flow."""

  TRAIN = "train"
  VALID = "valid"


class RenderPass(enum.Enum):
  """Sintel's render passes: without and with blur, fog and other effects."""

  CLEAN = "clean"
  FINAL = "final"


class KittiYear(enum.Enum):
  """KITTI's two benchmarks of optical flow."""

  KITTI_2012 = "2012"
  KITTI_2015 = "2015"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AutoFlow:
  """AutoFlow's published static data set (arXiv 2104.14544).

  Attributes:
    data_dir: has static_40k_png_1_of_4 to static_40k_png_4_of_4, with a folder
      of im0.png, im1.png and forward.flo for each example.
    allow_partial: accept another number of examples than 40,000.
  """

  data_dir: pathlib.Path
  allow_partial: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlyingChairs:
  """FlyingChairs (Dosovitskiy et al., FlowNet, 2015).

  Attributes:
    data_dir: has the folder data, with 00001_img1.ppm, 00001_img2.ppm,
      00001_flow.flo and so on.
    split: training or validation part.
    split_file: one line for every example, 1 for TRAIN and 2 for VALID; None
      is FlyingChairs_train_val.txt, as published, or chairs_split.txt in
      `data_dir`.
    allow_partial: accept other numbers than 22,232 and 640.
  """

  data_dir: pathlib.Path
  split: ChairsSplit = ChairsSplit.TRAIN
  split_file: pathlib.Path | None = None
  allow_partial: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sintel:
  """MPI Sintel (Butler et al., 2012).

  Attributes:
    data_dir: has training and test, and in them clean and final with a folder
      of frame_0001.png and so on for each scene; training has flow, and may
      have occlusions and invalid.
    split: TRAIN is 1,041 pairs, TEST 552.
    render_pass: clean or final.
    without_invalid: exclude the pixels that Sintel marks as invalid. The papers
      that report errors on TRAIN include them, as far as is known.
    allow_partial: accept other numbers of pairs.
  """

  data_dir: pathlib.Path
  split: Split = Split.TRAIN
  render_pass: RenderPass = RenderPass.CLEAN
  without_invalid: bool = False
  allow_partial: bool = False

  def __post_init__(self) -> None:
    if self.without_invalid and self.split is Split.TEST:
      raise ValueError(
        "Sintel: without_invalid is True; expected False for split TEST, "
        "whose pixels are not marked."
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kitti:
  """KITTI's optical flow, which is not known at every pixel.

  Attributes:
    data_dir: has training and testing, and in them image_2 (2015) or colored_0
      (2012) with 000000_10.png and 000000_11.png and so on; training has
      flow_occ, for all pixels, and may have flow_noc, for those that are
      visible in both frames.
    year: of the benchmark.
    split: TRAIN is 200 pairs (2015) or 194 (2012), TEST 200 or 195.
    allow_partial: accept other numbers of pairs.
  """

  data_dir: pathlib.Path
  year: KittiYear = KittiYear.KITTI_2015
  split: Split = Split.TRAIN
  allow_partial: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Middlebury:
  """Middlebury's optical flow (Baker et al., 2011).

  Attributes:
    data_dir: has other-data and other-gt-flow (TRAIN), or eval-data (TEST),
      with frame10.png, frame11.png and flow10.flo in a folder for each scene.
    split: TRAIN is the 8 scenes of other-data with flow, TEST 12 without.
    allow_partial: accept other numbers of scenes.
  """

  data_dir: pathlib.Path
  split: Split = Split.TRAIN
  allow_partial: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hd1k:
  """HD1K (Kondermann et al., 2016); its number of pairs is not checked.

  Attributes:
    data_dir: has hd1k_input/image_2 and hd1k_flow_gt/flow_occ (TRAIN), or
      hd1k_challenge/image_2 (TEST), with 000000_0010.png and so on: the number
      of the sequence, and of the frame.
    split: pairs with or without flow.
  """

  data_dir: pathlib.Path
  split: Split = Split.TRAIN


DatasetConfig = AutoFlow | FlyingChairs | Sintel | Kitti | Middlebury | Hd1k

_KITTI_COUNTS = {
  (KittiYear.KITTI_2012, Split.TRAIN): 194,
  (KittiYear.KITTI_2012, Split.TEST): 195,
  (KittiYear.KITTI_2015, Split.TRAIN): 200,
  (KittiYear.KITTI_2015, Split.TEST): 200,
}


def open_dataset(config: DatasetConfig) -> pairs.PairSource:
  """Lists all examples of a data set; their files are read one by one later.

  Returns:
    A source with `expected`, the official number of examples, None for HD1K.

  Raises:
    files.InputError: if folders or files are missing, or there are more or
      fewer examples than there should be.
  """
  found = _find(config)
  expected = expected_count(config)
  missing = [p for pair in found for p in pair.paths() if not p.exists()]
  if missing:
    more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
    raise files.InputError(f"{config.data_dir} lacks {missing[0]}{more}.")
  partial = isinstance(config, Hd1k) or config.allow_partial
  if not found or (not partial and len(found) != expected):
    raise files.InputError(
      f"{config.data_dir} has {len(found)} examples of {_describe(config)}; "
      f"expected {expected or 'some'}."
      + (" Set allow_partial to use them as they are." if found else "")
    )
  return pairs.PairSource(tuple(found), expected)


def expected_count(config: DatasetConfig) -> int | None:
  """Returns the official number of examples, None if it is not certain."""
  match config:
    case AutoFlow():
      return 40_000
    case FlyingChairs():
      return 22_232 if config.split is ChairsSplit.TRAIN else 640
    case Sintel():
      return 1_041 if config.split is Split.TRAIN else 552
    case Kitti():
      return _KITTI_COUNTS[config.year, config.split]
    case Middlebury():
      return 8 if config.split is Split.TRAIN else 12
    case Hd1k():
      return None


def _find(config: DatasetConfig) -> list[pairs.Pair]:
  """Returns the pairs whose first frames, or flow, exist."""
  root = config.data_dir
  match config:
    case AutoFlow():
      return layouts.autoflow(root)
    case FlyingChairs():
      kept = 1 if config.split is ChairsSplit.TRAIN else 2
      return layouts.flying_chairs(root, config.split_file, kept)
    case Sintel() if config.split is Split.TRAIN:
      return layouts.sintel_train(
        root, config.render_pass.value, config.without_invalid
      )
    case Sintel():
      return layouts.sintel_test(root, config.render_pass.value)
    case Kitti():
      new = config.year is KittiYear.KITTI_2015
      images = "image_2" if new else "colored_0"
      return layouts.kitti(root, images, config.split is Split.TRAIN)
    case Middlebury():
      return layouts.middlebury(root, config.split is Split.TRAIN)
    case Hd1k():
      return layouts.hd1k(root, config.split is Split.TRAIN)


def _describe(config: DatasetConfig) -> str:
  """Returns the name of the data set and its options, such as TRAIN."""
  chosen = (getattr(config, x.name) for x in dataclasses.fields(config))
  names = [value.name for value in chosen if isinstance(value, enum.Enum)]
  return " ".join([type(config).__name__, *names])
