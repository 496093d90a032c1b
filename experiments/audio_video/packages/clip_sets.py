"""Data sets of clips, made of files in an archive."""

from collections.abc import Iterator, Sequence
import contextlib
import pathlib
import tempfile
from typing import NamedTuple

from experiments.audio_video.clips import clip_folder
from experiments.audio_video.clips import decoding
from experiments.audio_video.clips import video_files
from experiments.data import archives
from experiments.data import files

_PARTS = ("train", "validation")


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


@contextlib.contextmanager
def unpacked(
  package: archives.Package,
  archive: pathlib.Path,
  output: pathlib.Path,
  *patterns: str,
) -> Iterator[dict[str, pathlib.Path]]:
  """Yields files of an archive by their names in it, while they are needed.

  Args:
    package: the pinned version.
    archive: its file.
    output: the folder of the data set, which must not exist.
    *patterns: of the files' names in the archive.

  Raises:
    files.InputError: if the archive is another one, PyAV is missing, or the
      data set exists.
  """
  video_files.load_av()
  if output.exists():
    raise files.InputError(f"{output} is there already; remove it first.")
  found: dict[str, pathlib.Path] = {}
  with tempfile.TemporaryDirectory() as folder:
    for name, content in package.members(archive, *patterns):
      suffix = pathlib.PurePath(name).suffix
      found[name] = pathlib.Path(folder) / f"{len(found)}{suffix}"
      files.write_bytes(found[name], content)
    yield found


def write(
  kind: str,
  samples: Sequence[Sample],
  class_names: tuple[str, ...],
  output: pathlib.Path,
  storage: decoding.StorageConfig,
  seconds: float,
) -> None:
  """Writes the data set, and the command that trains on it.

  Args:
    kind: name of the recipe.
    samples: of all splits.
    class_names: names of the classes, by number.
    output: the folder of the data set.
    storage: format of the clips.
    seconds: the longest clip; of longer files it is the beginning.

  Raises:
    files.InputError: if nothing can be read, or it cannot be written.
  """
  # Its imports are many, and constants of data sets are needed by recipes.
  from experiments.audio_video.clips import prepare

  row = lambda each: clip_folder.Row(each.name, 0.0, seconds, (each.label,))
  plan = prepare.Plan(
    origin=pathlib.Path("the archive"),
    kind=kind,
    classes=clip_folder.Classes(class_names, class_names),
    rows={p: [row(x) for x in samples if x.part == p] for p in _PARTS},
    found={each.name: each.path for each in samples},
  )
  report = prepare.write(plan, output, storage)
  print(
    f"{output}:\n{report.describe()}\nto train on them: python -m "
    f"experiments.train audioset --recipe {kind} --data.source {output}"
  )
