"""Describes a prepared data set of clips, and reads all of it.

python -m experiments.prepare verify-clips FOLDER
"""

import dataclasses
import pathlib

import tyro

from experiments.audio_video.clips import clips
from experiments.audio_video.clips import prepared
from experiments.data import files
from perceiver import bounds

_NUM_SHOWN = 20  # clips that cannot be read


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyConfig:
  """Describes a prepared data set of clips, and reads all of it.

  Attributes:
    folder: the data set's.
    every: one of so many clips is decoded.
  """

  folder: tyro.conf.Positional[pathlib.Path]
  every: int = 1

  def __post_init__(self) -> None:
    bounds.check_ranges(self, "every")


def verify(config: VerifyConfig) -> list[str]:
  """Reads a data set.

  Returns:
    A line for every clip that cannot be read, and every split that lacks some.

  Raises:
    FileNotFoundError: if there is none.
    files.InputError: if it cannot be opened.
  """
  report = prepared.read_report(config.folder)
  wrong = []
  for name, split in report.splits.items():
    source = prepared.open_split(config.folder, name, allow_partial=True)
    if len(source) != split.kept:
      wrong.append(f"{name} has {len(source)} clips; expected {split.kept}")
    for index in range(0, len(source), config.every):
      try:
        clip = source[index]
        clip.frames[:]
        clips.samples_per_frame(clip)
      except (IndexError, ValueError) as error:
        wrong.append(f"{name} {index}, {error}")
  return wrong


def run(config: VerifyConfig) -> None:
  """Runs the command `prepare verify-clips`.

  Raises:
    files.InputError: if a clip cannot be read.
  """
  wrong = verify(config)
  print(prepared.read_report(config.folder).describe())
  if wrong:
    reasons = f"{len(wrong)} in all: {files.commonest(wrong)}"
    raise files.InputError("\n".join([*wrong[:_NUM_SHOWN], reasons]))
  print("all that is there can be read")
