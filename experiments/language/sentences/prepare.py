"""Sentences that twenty people each rated, from a package's archive.

  pip download --no-deps --no-binary vaderSentiment vaderSentiment==3.3.2
  python -m experiments.prepare sentences ARCHIVE DIR

Sentences of film reviews, product reviews, newspaper editorials and tweets,
with the mean of their ratings from -4 (most negative) to 4 (Hutto and Gilbert:
VADER, ICWSM 2014). The package is under the MIT licence; the texts are from
Rotten Tomatoes, Amazon, the New York Times and Twitter.
"""

from collections.abc import Sequence
import dataclasses
import io
import pathlib
import tarfile

import tyro

from experiments.data import archives
from experiments.data import files
from experiments.language.glue import glue_tasks

PACKAGE = archives.Package(
  name="vaderSentiment",
  version="3.3.2",
  registry="PyPI, source archive",
  download=(
    "pip download --no-deps --no-binary vaderSentiment vaderSentiment==3.3.2"
  ),
  sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
  licence="MIT",
)
_INNER = "*/additional_resources/hutto_ICWSM_2014.tar.gz"
# Stems of the files' names.
_FILES = {
  "films": "movieReviewSnippets",
  "products": "amazonReviewSnippets",
  "news": "nytEditorialSnippets",
  "tweets": "tweets",
}
_HIGHEST = 4.0  # of the ratings, whose lowest is its negative
# Sentence i, from 0, is held out if i % 5 is 4; for choices, if it is 3, and
# those of 4 are left out.
_PERIOD, _HELD_OUT, _FOR_CHOICES = 5, 4, 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Writes rated sentences as tables in the layout of GLUE.

  Of five sentences in a row the last is held out, DIR/Films/dev.tsv and so on.

  Attributes:
    archive: the source archive of the package vaderSentiment.
    folder: the folder for the tables.
    hold_out: write tables for choices between settings: the fourth of five
      sentences is held out, the fifth left out.
  """

  archive: tyro.conf.Positional[pathlib.Path]
  folder: tyro.conf.Positional[pathlib.Path]
  hold_out: bool = False


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare sentences`.

  Raises:
    files.InputError: if the archive is another one, or a file cannot be
      written.
  """
  ((_, content),) = PACKAGE.members(config.archive, _INNER)
  with tarfile.open(fileobj=io.BytesIO(content)) as opened:
    for name, stem in _FILES.items():
      file = opened.extractfile(f"hutto_ICWSM_2014/{stem}_GroundTruth.txt")
      assert file is not None  # The archive has its checksum.
      _write(config, name, sentences(file.read().decode("utf-8")))
  partial = " --data.allow-partial" * config.hold_out
  print(
    "to train on them: python -m experiments.train sentences --recipe films "
    f"--data.source {config.folder}{partial}"
  )


def sentences(text: str) -> list[tuple[float, str]]:
  """Returns ratings and sentences of a file's lines, in their order.

  Args:
    text: lines of a number, a rating and a sentence, with tabs between.
  """
  rows = [line.split("\t") for line in text.splitlines() if line.strip()]
  return [(float(rating), sentence.strip()) for _, rating, sentence in rows]


def _write(
  config: PrepareConfig, name: str, rows: Sequence[tuple[float, str]]
) -> None:
  task = glue_tasks.RATED[name]
  held_out = _FOR_CHOICES if config.hold_out else _HELD_OUT
  left_out = {held_out, _HELD_OUT}
  numbered = [(i, i % _PERIOD, *row) for i, row in enumerate(rows)]
  parts = {
    "train": [row for row in numbered if row[1] not in left_out],
    "dev": [row for row in numbered if row[1] == held_out],
  }
  folder = config.folder / task.folder
  files.make_folder(folder)
  for part, chosen in parts.items():
    lines = ["\t".join(("index", *task.texts, task.label))]
    for number, _, rating, sentence in chosen:
      degree = (rating / _HIGHEST + 1) * glue_tasks.MAX_DEGREE / 2
      lines.append(f"{number}\t{sentence}\t{degree:.4f}")
    files.write_text(folder / f"{part}.tsv", "\n".join(lines) + "\n")
  counts = ", ".join(f"{len(rows):,} {part}" for part, rows in parts.items())
  print(f"{folder}: {counts}")
