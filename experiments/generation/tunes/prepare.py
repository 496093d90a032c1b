"""Takes the tunes out of the archive of music21, or a folder of ABC files."""

from collections.abc import Iterator
import dataclasses
import json
import pathlib

import tyro

from experiments.data import files
from experiments.data import tables
from experiments.generation.tunes import data


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Takes tunes out of the archive of music21, or a folder of ABC files.

  Attributes:
    archive: the wheel of music21, or a folder with .abc files.
    output: the file to write, .jsonl.
  """

  archive: tyro.conf.Positional[pathlib.Path]
  output: tyro.conf.Positional[pathlib.Path]


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare tunes`.

  Raises:
    files.InputError: if there are no tunes, or it is another archive.
  """
  found: dict[bytes, None] = {}  # in order, equal ones once
  for text in _texts(config.archive):
    found |= dict.fromkeys(data.parse(text))
  if not found:
    raise files.InputError(
      f"{config.archive} has no tunes in ABC; expected a wheel of music21 or a "
      "folder of .abc files"
    )
  lines = [json.dumps({"text": tune.decode()}) + "\n" for tune in found]
  files.write_text(config.output, "".join(lines))
  print(f"{config.output}: {len(found)} tunes, {sum(map(len, found))} bytes")
  print(
    "to train on them: python -m experiments.train tunes --data.source "
    f"{config.output}"
  )


def _texts(archive: pathlib.Path) -> Iterator[str]:
  """Yields the text of every ABC file, in the order of their names."""
  if archive.is_dir():
    for path in files.list_files(archive, "*.abc", recursive=True):
      yield tables.read_text(path, "replace")
    return
  members = data.PACKAGE.members(archive, "music21/corpus/essenFolksong/*.abc")
  for _, content in sorted(members):
    yield content.decode("utf-8", "replace")
