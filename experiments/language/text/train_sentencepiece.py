"""Makes a SentencePiece model from texts.

  python -m experiments.prepare sentencepiece --corpus DIR \\
    --vocab-size 32000 --output pieces.model
"""

from collections.abc import Iterator, Sequence
import dataclasses
import pathlib

from experiments.data import files
from experiments.language.text import corpora
from experiments.language.text import sentencepiece


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
  """Makes a SentencePiece model from texts.

  Attributes:
    output: the model's file.
    corpus: a folder of .txt, .jsonl and .json files, or one such file, whose
      documents are read but for those that masked language modelling holds
      out; the prose that ships with Python if None.
    vocab_size: the number of pieces.
  """

  output: pathlib.Path
  corpus: pathlib.Path | None = None
  vocab_size: int = 32_000


def run(config: TrainConfig) -> None:
  """Runs the command `prepare sentencepiece`.

  Raises:
    files.InputError: if the texts are too few, or a file cannot be used.
  """
  corpus = corpora.Corpus.PYTHON_TOPICS
  if config.corpus is not None:
    corpus = corpora.Corpus.FILES
  (part,), _ = corpora.open_corpus(corpus, config.corpus)
  model = sentencepiece.train(_lines(part.documents), config.vocab_size)
  with files.writing(config.output) as temporary:
    temporary.write_bytes(model)
  print(
    f"{config.output}: {config.vocab_size} pieces of {len(part.documents)} "
    "documents"
  )


def _lines(documents: Sequence[bytes]) -> Iterator[str]:
  for number in range(len(documents)):
    text = documents[number].decode("utf-8")
    yield from (line for line in text.split("\n") if line.strip())
