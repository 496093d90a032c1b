"""Texts as sequences of bytes."""

import dataclasses
import enum

from experiments.data import loader
from experiments.data import python_topics
from experiments.data import sources
from experiments.data import text_files
from experiments.generation import sequences
from perceiver import bounds


class Corpus(enum.Enum):
  """The kind of a corpus.

  PYTHON_TOPICS is the documentation that ships with Python, half a megabyte;
  SYNTHETIC has its words. FILES is a folder of .txt, .jsonl and .json files, or
  one file.
  """

  PYTHON_TOPICS = "python_topics"
  SYNTHETIC = "synthetic"
  FILES = "files"


@dataclasses.dataclass(frozen=True)
class Source(sources.Source):
  """A corpus, whose path is that of FILES."""

  kind: Corpus
  of_path = Corpus.FILES
  needs_path = (Corpus.FILES,)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """The corpus.

  Attributes:
    source: the corpus.
    eval_windows: windows of an evaluation, from all over the held-out texts;
      None for all. In each as many bytes count as there are latents.
  """

  source: Source = Source(Corpus.PYTHON_TOPICS)
  eval_windows: int | None = None

  def __post_init__(self) -> None:
    bounds.check_ranges(self, "eval_windows")


def documents(source: Source) -> tuple[list[bytes], list[bytes]]:
  """Returns documents for training, and held-out ones.

  Raises:
    files.InputError: if there are none, or one is no text.
  """
  if source.kind is Corpus.FILES:
    train, held_out = text_files.read(source.folder())
    return list(train), list(held_out)
  make = python_topics.documents
  if source.is_synthetic:
    make = python_topics.synthetic
  return make(False), make(True)


def splits(
  config: DataConfig, context: int, num_latents: int
) -> tuple[loader.Split, loader.Split]:
  """Returns the splits; entries are those of `sequences.example`."""
  train, held_out = (
    [sequences.sequence(text) for text in side]
    for side in documents(config.source)
  )
  return sequences.splits(
    train,
    held_out,
    config.source.kind.value,
    context=context,
    num_latents=num_latents,
    most=config.eval_windows,
  )
