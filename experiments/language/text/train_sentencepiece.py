"""Makes a SentencePiece model from texts.

  python -m experiments.language.text.train_sentencepiece --corpus DIR \\
    --vocab-size 32000 --output pieces.model

reads the .txt and .jsonl files of DIR, but for the documents that masked
language modelling holds out; without --corpus, the prose that ships with
Python.
"""

import argparse
from collections.abc import Iterator, Sequence
import pathlib

from experiments.cli import errors
from experiments.data import files
from experiments.language.text import corpora
from experiments.language.text import sentencepiece


def main(arguments: Sequence[str] | None = None) -> int:
  """Runs the command; returns its exit code."""
  parser = argparse.ArgumentParser(
    prog="python -m experiments.language.text.train_sentencepiece",
    description="Makes a SentencePiece model from texts.",
    allow_abbrev=False,
  )
  parser.add_argument(
    "--corpus",
    type=pathlib.Path,
    help="folder of .txt and .jsonl files; left out: prose of Python itself",
  )
  parser.add_argument("--vocab-size", type=int, default=32_000)
  parser.add_argument("--output", type=pathlib.Path, required=True)
  options = parser.parse_args(arguments)
  return errors.run(
    lambda: _make(options.corpus, options.vocab_size, options.output)
  )


def _make(
  folder: pathlib.Path | None, vocab_size: int, output: pathlib.Path
) -> None:
  corpus = corpora.Corpus.PYTHON_TOPICS
  if folder is not None:
    corpus = corpora.Corpus.FILES
  (part,), _ = corpora.open_corpus(corpus, folder)
  model = sentencepiece.train(_lines(part.documents), vocab_size)
  with files.writing(output) as temporary:
    temporary.write_bytes(model)
  print(f"{output}: {vocab_size} pieces of {len(part.documents)} documents")


def _lines(documents: Sequence[bytes]) -> Iterator[str]:
  for number in range(len(documents)):
    text = documents[number].decode("utf-8")
    yield from (line for line in text.split("\n") if line.strip())


if __name__ == "__main__":
  raise SystemExit(main())
