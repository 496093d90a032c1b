"""Says what a prepared data set has, and reads all of it.

python -m experiments.audio_video.clips.verify FOLDER
"""

import dataclasses
import pathlib
import sys

import tyro

from experiments.audio_video.clips import clips
from experiments.audio_video.clips import prepared
from experiments.data import files


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyConfig:
  """What is verified.

  Attributes:
    folder: the data set's.
    every: of how many clips one is decoded.
  """

  folder: tyro.conf.Positional[pathlib.Path]
  every: int = 1

  def __post_init__(self) -> None:
    if self.every < 1:
      raise ValueError(
        f"VerifyConfig: every is {self.every}; expected at least 1."
      )


def verify(config: VerifyConfig) -> list[str]:
  """Reads a data set.

  Returns:
    What is wrong with it, in words.

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
        wrong.append(f"{name} {index}: {error}")
  return wrong


def main(arguments: list[str] | None = None) -> int:
  """Runs from the command line; returns the exit code."""
  config = tyro.cli(VerifyConfig, args=arguments, description=__doc__)
  try:
    wrong = verify(config)
    print(prepared.read_report(config.folder).describe())
  except (FileNotFoundError, files.InputError) as error:
    print(f"error: {error}", file=sys.stderr)
    return 1
  print("\n".join(wrong) if wrong else "all that is there can be read")
  return 1 if wrong else 0


if __name__ == "__main__":
  sys.exit(main())
