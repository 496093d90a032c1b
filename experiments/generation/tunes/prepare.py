"""Takes the tunes out of the archive of music21, or a folder of ABC files."""

from collections.abc import Iterator
import dataclasses
import json
import pathlib
import zipfile

from experiments.data import files
from experiments.generation.tunes import data

_ESSEN = "music21/corpus/essenFolksong/"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Takes tunes out of the archive of music21, or a folder of ABC files.

  Attributes:
    archive: a wheel of music21, from `pip download music21 --no-deps`, or a
      folder with .abc files.
    output: the file to write, .jsonl.
    within: the folder in the wheel; the Essen collection if not given.
  """

  archive: pathlib.Path
  output: pathlib.Path
  within: str = _ESSEN


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare tunes`.

  Raises:
    files.InputError: if there are no tunes.
  """
  found: dict[bytes, None] = {}  # in order, equal ones once
  for text in _texts(config):
    found |= dict.fromkeys(data.parse(text))
  if not found:
    raise files.InputError(
      f"{config.archive} has no tunes in ABC; expected a wheel of music21 or a "
      "folder of .abc files"
    )
  lines = [json.dumps({"text": tune.decode()}) + "\n" for tune in found]
  files.write_text(config.output, "".join(lines))
  print(f"{config.output}: {len(found)} tunes, {sum(map(len, found))} bytes")


def _texts(config: PrepareConfig) -> Iterator[str]:
  """Yields the text of every ABC file, in the order of their names."""
  if config.archive.is_dir():
    for path in sorted(config.archive.rglob("*.abc")):
      yield path.read_text("utf-8", "replace")
    return
  try:
    with zipfile.ZipFile(config.archive) as archive:
      for name in sorted(archive.namelist()):
        if name.startswith(config.within) and name.endswith(".abc"):
          yield archive.read(name).decode("utf-8", "replace")
  except zipfile.BadZipFile as error:
    raise files.InputError(
      f"{config.archive} is no archive; expected a wheel of music21"
    ) from error
