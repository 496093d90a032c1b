"""Fashion-MNIST: 70,000 grey images of ten kinds of clothes (1708.07747).

  apt-get download dataset-fashion-mnist
  python -m experiments.prepare fashion-mnist ARCHIVE DIR

60,000 images of 28 × 28 pixels are for training and 10,000 for the test, as
many of each class. MIT licence. ARCHIVE may be a folder of the four official
files.
"""

import dataclasses
import enum
import pathlib
from typing import NamedTuple

import numpy as np
from PIL import Image
import tyro

from experiments.data import archives
from experiments.data import files
from experiments.data import idx
from experiments.data import sources

SIZE = (28, 28)
CLASS_NAMES = (
  "T-shirt/top",
  "trouser",
  "pullover",
  "dress",
  "coat",
  "sandal",
  "shirt",
  "sneaker",
  "bag",
  "ankle boot",
)
MEAN, STDDEV = 0.286, 0.353  # of training pixels in [0, 1]
# The last training images, for choices.
NUM_HELD_OUT = 5000
_HELD_OUT_SHARE = 12  # one in so many of a set of another size
_NUM_TRAIN, _NUM_TEST = 60_000, 10_000

PACKAGE = archives.Package(
  name="dataset-fashion-mnist",
  version="0.0~git20200523.55506a9-1",
  registry="Debian",
  download="apt-get download dataset-fashion-mnist",
  sha256="39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
  licence="MIT",
)
# MD5 checksums of the official files, from the set's README.
_OFFICIAL = {
  "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
  "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
  "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
  "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}


class Kind(enum.Enum):
  """The kind of images.

  FASHION_MNIST is the set itself; SYNTHETIC is scikit-learn's digits, enlarged.
  """

  FASHION_MNIST = "fashion_mnist"
  SYNTHETIC = "synthetic"


@dataclasses.dataclass(frozen=True)
class Source(sources.Source):
  """The images; the path of FASHION_MNIST is the folder of its four files."""

  kind: Kind
  of_path = Kind.FASHION_MNIST
  needs_path = (Kind.FASHION_MNIST,)
  advice = PACKAGE.advice(
    "fashion-mnist ARCHIVE DIR", "fashion-mnist --data.source DIR"
  )


class Part(enum.Enum):
  """A part of the set.

  TRAIN is all training images; FITTING is those but the last 5,000, HELD_OUT.
  """

  TRAIN = "train"
  FITTING = "fitting"
  HELD_OUT = "held out"
  TEST = "test"


class Images(NamedTuple):
  """Images and their classes."""

  pixels: np.ndarray  # [N, 28, 28] uint8
  labels: np.ndarray  # [N] int32
  official: bool  # whether they are all of the official part


def read(source: Source, part: Part) -> Images:
  """Reads a part of the set.

  Raises:
    files.InputError: if a file is missing or damaged, or the files do not fit.
  """
  is_test = part is Part.TEST
  if source.is_synthetic:
    pixels, labels = _digits(is_test)
  else:
    pixels, labels = _files(source.folder(), "t10k" if is_test else "train")
  official = len(pixels) == (_NUM_TEST if is_test else _NUM_TRAIN)
  official = official and not source.is_synthetic
  held_out = NUM_HELD_OUT if official else len(pixels) // _HELD_OUT_SHARE
  rows = slice(None)
  if part in (Part.FITTING, Part.HELD_OUT):
    first = len(pixels) - held_out
    rows = slice(first) if part is Part.FITTING else slice(first, None)
  return Images(pixels[rows], labels[rows].astype(np.int32), official)


def _files(folder: pathlib.Path, prefix: str) -> tuple[np.ndarray, np.ndarray]:
  pixels = idx.read(_path(folder, f"{prefix}-images-idx3-ubyte"), 3)
  labels = idx.read(_path(folder, f"{prefix}-labels-idx1-ubyte"), 1)
  if pixels.shape[1:] != SIZE or len(pixels) != len(labels) or not len(labels):
    raise files.InputError(
      f"{folder}: the {prefix} images are {pixels.shape} and the labels "
      f"{labels.shape}; expected [N, 28, 28] and [N]."
    )
  if labels.max() >= len(CLASS_NAMES):
    raise files.InputError(
      f"{folder}: a {prefix} label is {labels.max()}; expected 0 to 9."
    )
  return pixels, labels


def _path(folder: pathlib.Path, name: str) -> pathlib.Path:
  for path in (folder / f"{name}.gz", folder / name):
    if path.exists():
      return path
  raise files.InputError(f"There is no {folder / name}.gz. {Source.advice}")


def _digits(is_test: bool) -> tuple[np.ndarray, np.ndarray]:
  """Returns scikit-learn's digits at this set's size, a fifth for tests."""
  from sklearn import datasets

  found = datasets.load_digits()
  order = np.random.default_rng(0).permutation(len(found.target))
  keep = (order % 5 == 0) == is_test
  pixels = (found.images[keep] * (255 / 16)).astype(np.uint8)  # [N, 8, 8]
  large = [np.asarray(Image.fromarray(image).resize(SIZE)) for image in pixels]
  return np.stack(large), found.target[keep]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Takes Fashion-MNIST out of its package's archive, or checks its files.

  Attributes:
    archive: the .deb of the package dataset-fashion-mnist, or a folder of the
      four official .gz files.
    folder: the folder for the four files.
  """

  archive: tyro.conf.Positional[pathlib.Path]
  folder: tyro.conf.Positional[pathlib.Path]


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare fashion-mnist`.

  Raises:
    files.InputError: if something is missing or has another checksum.
  """
  if config.archive.is_dir():
    found = {
      name: archives.read_checked(
        config.archive / name, "md5", checksum, "the official file"
      )
      for name, checksum in _OFFICIAL.items()
    }
  else:
    patterns = [f"*/{name}" for name in _OFFICIAL]
    found = {
      pathlib.PurePath(name).name: content
      for name, content in PACKAGE.members(config.archive, *patterns)
    }
  files.make_folder(config.folder)
  for name, content in found.items():
    files.write_bytes(config.folder / name, content)
  source = Source(Kind.FASHION_MNIST, config.folder)
  counts = [len(read(source, part).labels) for part in (Part.TRAIN, Part.TEST)]
  print(
    f"{config.folder}: {counts[0]:,} training and {counts[1]:,} test images"
  )
  print(
    "to train on them: python -m experiments.train fashion-mnist "
    f"--data.source {config.folder}"
  )
