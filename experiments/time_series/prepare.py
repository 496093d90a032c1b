"""Japanese Vowels: 640 utterances of nine speakers, from a package's archive.

  pip download --no-deps aeon==1.6.0
  python -m experiments.prepare japanese-vowels ARCHIVE DIR

Nine men said "ae" 30 times each for training and 24 to 88 times for the test.
An utterance is 7 to 29 frames, 6.4 ms apart, of 12 coefficients of linear
prediction (Kudo, Toyama and Shimbo 1999). The set is of the UCI machine
learning repository, CC BY 4.0; the package is under the BSD licence.
"""

import dataclasses
import pathlib

import tyro

from experiments.data import archives
from experiments.data import files
from experiments.time_series import ts_files

PACKAGE = archives.Package(
  name="aeon",
  version="1.6.0",
  registry="PyPI, wheel",
  download="pip download --no-deps aeon==1.6.0",
  sha256="d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409",
  licence="BSD-3-Clause",
)
_NAME = "JapaneseVowels"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Takes Japanese Vowels out of its package's archive.

  Attributes:
    archive: the wheel of the package aeon.
    folder: the folder for the two files.
  """

  archive: tyro.conf.Positional[pathlib.Path]
  folder: tyro.conf.Positional[pathlib.Path]


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare japanese-vowels`.

  Raises:
    files.InputError: if something is missing or has another checksum.
  """
  names = [f"{_NAME}_{part}.ts" for part in ("TRAIN", "TEST")]
  patterns = [f"*/{_NAME}/{name}" for name in names]
  found = {
    pathlib.PurePath(name).name: content
    for name, content in PACKAGE.members(config.archive, *patterns)
  }
  files.make_folder(config.folder)
  for name, content in found.items():
    files.write_bytes(config.folder / name, content)
  counts = [len(ts_files.read(config.folder / name).series) for name in names]
  print(f"{config.folder}: {counts[0]} training and {counts[1]} test series")
  print(
    "to train on them: python -m experiments.train time-series "
    f"--data.source {config.folder}"
  )
