"""Data sets of clips, made of files in an archive."""

from collections.abc import Callable, Iterable, Iterator, Mapping
import contextlib
import dataclasses
import pathlib
import tempfile
from typing import NamedTuple

import tyro

from experiments.audio_video.clips import clip_folder
from experiments.audio_video.clips import decoding
from experiments.audio_video.clips import video_files
from experiments.audio_video.packages import pinned
from experiments.data import files

_PARTS = ("train", "validation")


class ClipSet(NamedTuple):
  """The clips of a package.

  Attributes:
    name: of the package in `pinned`, and of the recipe.
    class_names: names of the classes, by number.
    patterns: of the files' names in the archive.
    storage: format of the clips.
    seconds: the longest clip; of longer files it is the beginning.
  """

  name: str
  class_names: tuple[str, ...]
  patterns: tuple[str, ...]
  storage: decoding.StorageConfig
  seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Writes clips of a package.

  Attributes:
    archive: the .deb of the package.
    folder: the folder of the data set, which must not exist.
    hold_out: evaluate a part of the training clips in place of the test's, for
      choices between settings.
  """

  archive: tyro.conf.Positional[pathlib.Path]
  folder: tyro.conf.Positional[pathlib.Path]
  hold_out: bool = False


class Sample(NamedTuple):
  """A file of audio, and the picture beside it if there is one."""

  name: str
  label: str  # name of its class
  path: pathlib.Path
  part: str | None  # of `part_of`


def part_of(*, is_test: bool, for_choices: bool, hold_out: bool) -> str | None:
  """Returns the split of a clip; None if it is left out.

  Args:
    is_test: whether it is for the test, which is called validation.
    for_choices: whether it is for choices between settings, and for training
      when they are made.
    hold_out: whether the clips for choices are evaluated in place of the test.
  """
  if hold_out and is_test:
    return None
  return _PARTS[for_choices if hold_out else is_test]


def prepare(
  clip_set: ClipSet,
  config: PrepareConfig,
  list_samples: Callable[[Mapping[str, pathlib.Path], bool], Iterable[Sample]],
) -> None:
  """Writes the data set, and the command that trains on it.

  Args:
    clip_set: the clips of the package.
    config: options of the command.
    list_samples: a function from the files of the archive, by their names in
      it, and `hold_out` to the clips of all splits.

  Raises:
    files.InputError: if the archive is another one, PyAV is missing, the data
      set exists, nothing can be read, or it cannot be written.
  """
  # Its imports are many, and constants of data sets are needed by recipes.
  from experiments.audio_video.clips import prepare as prepare_clips

  video_files.load_av()
  output, name = config.folder, clip_set.name
  if output.exists():
    raise files.InputError(f"{output} is there already; remove it first.")
  row = lambda each: clip_folder.Row(
    each.name, 0.0, clip_set.seconds, (each.label,)
  )
  with _unpacked(clip_set, config.archive) as found:
    samples = list(list_samples(found, config.hold_out))
    plan = prepare_clips.Plan(
      origin=pathlib.Path("the archive"),
      kind=name,
      classes=clip_folder.Classes(clip_set.class_names, clip_set.class_names),
      rows={p: [row(x) for x in samples if x.part == p] for p in _PARTS},
      found={each.name: each.path for each in samples},
    )
    report = prepare_clips.write(plan, output, clip_set.storage)
  print(
    f"{output}:\n{report.describe()}\nto train on them: python -m "
    f"experiments.train audioset --recipe {name} --data.source {output}"
  )


@contextlib.contextmanager
def _unpacked(
  clip_set: ClipSet, archive: pathlib.Path
) -> Iterator[dict[str, pathlib.Path]]:
  """Yields files of an archive by their names in it, while they are needed."""
  package = pinned.PACKAGES[clip_set.name]
  found: dict[str, pathlib.Path] = {}
  with tempfile.TemporaryDirectory() as folder:
    for name, content in package.members(archive, *clip_set.patterns):
      suffix = pathlib.PurePath(name).suffix
      found[name] = pathlib.Path(folder) / f"{len(found)}{suffix}"
      files.write_bytes(found[name], content)
    yield found
