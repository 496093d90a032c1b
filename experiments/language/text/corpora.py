"""Which documents there are to learn from, and which to judge by."""

from collections.abc import Sequence
import dataclasses
import enum
import functools
import math
import pathlib
from typing import Any

from experiments.data import text_files
from experiments.data import tfds_reader
from experiments.language.text import topics


class Corpus(enum.Enum):
  """What is read.

  PYTHON_TOPICS is the prose that ships with Python, half a megabyte. FILES is a
  folder of .txt and .jsonl files. C4_AND_WIKIPEDIA are the paper's, as prepared
  by TensorFlow Datasets: C4's validation and the last hundredth of Wikipedia
  are held out.
  """

  PYTHON_TOPICS = "python_topics"
  FILES = "files"
  C4_AND_WIKIPEDIA = "c4_and_wikipedia"


_C4, _WIKIPEDIA = "c4/en", "wikipedia/20230601.en"
_C4_SHARE = 0.7  # of the tokens: 2107.14795, appendix F.3


@dataclasses.dataclass(frozen=True)
class Part:
  """Documents that are a part of a corpus.

  Attributes:
    documents: in UTF-8.
    share: of the examples that are made of them, in (0, 1].
  """

  documents: Sequence[bytes]
  share: float = 1.0


@dataclasses.dataclass(frozen=True)
class Slots(Sequence[tuple[int, int]]):
  """An epoch: part and document that every example of it begins with.

  Every document has its turn at least once; those of parts that are small for
  their share have several. The shares of the parts are exact but for rounding.
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
    for part, (size, share) in enumerate(zip(self.sizes, self.shares)):
      end += share * len(self)
      if index < round(end) or part == len(self.sizes) - 1:
        return part, index % size
    raise AssertionError


def slots(parts: Sequence[Part]) -> Slots:
  """Returns the epoch of some parts."""
  return Slots(
    tuple(len(part.documents) for part in parts),
    tuple(part.share for part in parts),
  )


@functools.lru_cache(maxsize=4)
def open_corpus(
  corpus: Corpus, data_dir: pathlib.Path | None
) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
  """Opens what there is to learn from, and what to judge by.

  Args:
    corpus: which one.
    data_dir: the folder of FILES, or of TensorFlow Datasets (None for its
      default); unused for PYTHON_TOPICS.

  Raises:
    FileNotFoundError: if the folder of FILES is missing.
    files.InputError: if a data set is missing or cannot be used.
  """
  match corpus:
    case Corpus.PYTHON_TOPICS:
      train, held_out = topics.documents(False), topics.documents(True)
      return (Part(train),), (Part(held_out),)
    case Corpus.FILES:
      if data_dir is None:
        raise FileNotFoundError(
          "The corpus FILES needs data.data_dir, the folder of the files."
        )
      train_files, held_out_files = text_files.read(data_dir)
      return (Part(train_files),), (Part(held_out_files),)
    case Corpus.C4_AND_WIKIPEDIA:
      mix = lambda c4, wikipedia: (
        Part(_open_texts(_C4, c4, data_dir), _C4_SHARE),
        Part(_open_texts(_WIKIPEDIA, wikipedia, data_dir), 1 - _C4_SHARE),
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
    name, splits=(split,), features=("text",), data_dir=data_dir
  )
  return _Texts(builder.as_data_source(split=split))
