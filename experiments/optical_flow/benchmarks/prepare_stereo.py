"""Photographed pairs with measured disparity, from the archives of packages.

  pip download --no-deps --only-binary :all: --python-version 38 \\
      --platform manylinux1_x86_64 scikit-image==0.16.2
  apt-get download opencv-doc
  python -m experiments.prepare flow-pairs ARCHIVE DIR --factor 16
  python -m experiments.evaluate optical-flow --checkpoint RUN \\
      --data.evaluate-on middlebury:DIR --data.allow-partial \\
      --evaluation.baselines

scikit-image has Middlebury's Motorcycle (Scharstein et al., 2014), OpenCV's
documentation its Aloe (Hirschmüller and Scharstein, 2007), frames of a scene
from the left and from the right. A point at column x of the first is at column
x - d of the second: the disparity d is the flow. Pairs are reduced in size,
since d is tens of pixels, and written in the layout of Middlebury's flow.
"""

from collections.abc import Callable, Mapping
import dataclasses
import hashlib
import io
import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image
import tyro

from experiments.data import archives
from experiments.data import files
from experiments.optical_flow.benchmarks import flow_files
from perceiver import bounds

SCIKIT_IMAGE = archives.Package(
  name="scikit-image",
  version="0.16.2",
  registry="PyPI",
  download=(
    "pip download --no-deps --only-binary :all: --python-version 38 "
    "--platform manylinux1_x86_64 scikit-image==0.16.2"
  ),
  sha256="41e28db0136f29ecd305bef0408fdfc64be9d415e54f5099a95555c65f5c1865",
  licence="BSD-3-Clause",
)
OPENCV_DOC = archives.Package(
  name="opencv-doc",
  version="4.6.0+dfsg-12",
  registry="Debian",
  download="apt-get download opencv-doc",
  sha256="4b12681df35878207ac7097dc66184b2ae552e4bf4ddd2af04a0f03ed0b8682a",
  licence="Apache-2.0",
)
_UNKNOWN = 1e10  # pixels, in a .flo file
# The share of a reduced pixel's disparities that must be known.
_KNOWN_SHARE = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Writes photographed pairs with measured disparity as Middlebury's.

  Attributes:
    archive: of the package scikit-image 0.16.2 or opencv-doc.
    folder: the folder for the pairs, those of other archives among them.
    factor: pixels along either axis that become one.
  """

  archive: tyro.conf.Positional[pathlib.Path]
  folder: tyro.conf.Positional[pathlib.Path]
  factor: int = 16

  def __post_init__(self) -> None:
    bounds.check_ranges(self, "factor")


class Stereo(NamedTuple):
  """Two frames, and the disparity of the left one."""

  frames: tuple[np.ndarray, np.ndarray]  # left and right, [H, W, 3] uint8
  disparity: np.ndarray  # [H, W] float32, pixels; not finite where unknown


def _motorcycle(contents: Mapping[str, bytes]) -> Stereo:
  disparity = np.load(io.BytesIO(contents["motorcycle_disp.npz"]))["arr_0"]
  frames = "motorcycle_left.png", "motorcycle_right.png"
  return Stereo(_frames(contents, *frames), disparity)


def _aloe(contents: Mapping[str, bytes]) -> Stereo:
  disparity = _image(contents["aloeGT.png"])[..., 0].astype(np.float32)
  disparity[disparity == 0] = np.nan
  return Stereo(_frames(contents, "aloeL.jpg", "aloeR.jpg"), disparity)


class _Scene(NamedTuple):
  """A scene's package, the names of its files, and its reader."""

  package: archives.Package
  names: tuple[str, ...]
  read: Callable[[Mapping[str, bytes]], Stereo]


_SCENES = {
  "Motorcycle": _Scene(
    SCIKIT_IMAGE,
    ("motorcycle_left.png", "motorcycle_right.png", "motorcycle_disp.npz"),
    _motorcycle,
  ),
  "Aloe": _Scene(OPENCV_DOC, ("aloeL.jpg", "aloeR.jpg", "aloeGT.png"), _aloe),
}


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare flow-pairs`.

  Raises:
    files.InputError: if an archive is none of the packages', or a file cannot
      be written.
  """
  checksum = hashlib.sha256(files.read_bytes(config.archive)).hexdigest()
  scenes = {
    name: scene
    for name, scene in _SCENES.items()
    if scene.package.sha256 == checksum
  }
  if not scenes:
    raise files.InputError(
      f"{config.archive} has the checksum of no package; expected an archive "
      f"that `{SCIKIT_IMAGE.download}` or `{OPENCV_DOC.download}` brings."
    )
  for name, scene in scenes.items():
    patterns = [f"*/{file}" for file in scene.names]
    contents = {
      pathlib.PurePath(path).name: content
      for path, content in scene.package.members(config.archive, *patterns)
    }
    _write(config.folder, name, reduce(scene.read(contents), config.factor))
  print(
    "to evaluate on them: python -m experiments.evaluate optical-flow "
    f"--checkpoint RUN --data.evaluate-on middlebury:{config.folder} "
    "--data.allow-partial --evaluation.baselines"
  )


def reduce(stereo: Stereo, factor: int) -> Stereo:
  """Returns frames and disparity at a fraction of their size.

  Frames are averaged. Of the disparities, where one surface may hide another,
  the median is taken, if at least half of them are known.

  Args:
    stereo: whose rows and columns beyond a multiple of `factor` are left out.
    factor: pixels along either axis that become one.
  """
  blocks = lambda image: _blocks(image.astype(np.float32), factor)
  first, second = (
    np.rint(blocks(frame).mean(axis=2)).astype(np.uint8)
    for frame in stereo.frames
  )
  disparity = blocks(stereo.disparity[..., None])[..., 0]  # [h, w, f·f]
  known = np.isfinite(disparity)
  filled = np.where(known, disparity, np.nan)
  enough = known.mean(axis=-1) >= _KNOWN_SHARE  # [h, w]
  filled[~enough] = 0.0
  median = np.nanmedian(filled, axis=-1) / factor
  return Stereo((first, second), np.where(enough, median, np.nan))


def _blocks(image: np.ndarray, factor: int) -> np.ndarray:
  """Returns the pixels of every block, [H, W, C] to [h, w, f·f, C]."""
  height, width = (size // factor for size in image.shape[:2])
  cut = image[: height * factor, : width * factor]
  split = cut.reshape(height, factor, width, factor, -1)
  return split.swapaxes(1, 2).reshape(height, width, factor**2, -1)


def _write(folder: pathlib.Path, name: str, stereo: Stereo) -> None:
  place, truth = folder / "other-data" / name, folder / "other-gt-flow" / name
  for each in (place, truth):
    files.make_folder(each)
  for number, frame in zip((10, 11), stereo.frames):
    with files.writing(place / f"frame{number}.png") as temporary:
      Image.fromarray(frame).save(temporary)
  right = np.where(np.isfinite(stereo.disparity), -stereo.disparity, _UNKNOWN)
  down = np.where(right == _UNKNOWN, _UNKNOWN, 0.0)
  flow_files.write_flo(truth / "flow10.flo", np.stack([right, down], axis=-1))
  height, width = right.shape
  mean = np.nanmean(stereo.disparity)
  print(f"{place}: {height} × {width} pixels, {mean:.2f} pixels of motion")


def _frames(
  contents: Mapping[str, bytes], left: str, right: str
) -> tuple[np.ndarray, np.ndarray]:
  return _image(contents[left]), _image(contents[right])


def _image(encoded: bytes) -> np.ndarray:  # [H, W, 3] uint8
  return np.asarray(files.decode_image(encoded))
