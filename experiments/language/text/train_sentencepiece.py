"""Makes a SentencePiece model from texts.

  python -m experiments.prepare sentencepiece --source DIR \\
    --vocab-size 32000 --output pieces.model
"""

from collections.abc import Iterator, Sequence
import dataclasses
import itertools
import pathlib

from experiments.data import files
from experiments.language.text import corpora
from experiments.language.text import sentencepiece


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
  """Makes a SentencePiece model from texts.

  Attributes:
    output: the model's file.
    source: the texts, such as a folder of .txt, .jsonl and .json files, but for
      those that masked language modelling holds out.
    vocab_size: the number of pieces.
  """

  output: pathlib.Path
  source: corpora.Source = corpora.PYTHON_TOPICS
  vocab_size: int = 32_000


def run(config: TrainConfig) -> None:
  """Runs the command `prepare sentencepiece`.

  Raises:
    files.InputError: if the texts are too few, or a file cannot be used.
  """
  parts, _ = corpora.open_corpus(config.source)
  documents = [part.documents for part in parts]
  lines = itertools.chain.from_iterable(map(_lines, documents))
  model = sentencepiece.train(lines, config.vocab_size)
  files.write_bytes(config.output, model)
  print(
    f"{config.output}: {config.vocab_size} pieces of "
    f"{sum(map(len, documents))} documents"
  )


def _lines(documents: Sequence[bytes]) -> Iterator[str]:
  for number in range(len(documents)):
    text = documents[number].decode("utf-8")
    yield from (line for line in text.split("\n") if line.strip())
