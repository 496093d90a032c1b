"""Texts with masked words, from documents to batches."""

from collections.abc import Iterator, Sequence
import dataclasses
import itertools

import numpy as np

from experiments.cli import paths
from experiments.data import loader
from experiments.language.text import corpora
from experiments.language.text import masking
from experiments.language.text import sentencepiece
from experiments.language.text import tokenizers
from perceiver import bounds

# Between documents; the paper does not state the separator.
_BETWEEN = b"\n\n"
_EVAL_SEED = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """The corpus and its masking.

  Attributes:
    source: the corpus.
    evaluate_on: a folder of texts to evaluate on, or a file of them, in place
      of those that the corpus holds out.
    sentencepiece_model: the file of a SentencePiece model; None for bytes.
    documents: number of documents, one in its turn and the others sampled from
      the same component of the corpus, that are joined before an example is
      cropped from them.
    mask_rate: probability of a word, between whitespace, to be masked.
    mask_spaces: mask the space before a masked word too, as the released model
      expects it; otherwise it stays visible, and with it where words begin.
    max_masked: largest share of an example's tokens that is masked; words that
      do not fit are left.
    eval_examples: number of examples that evaluation crops from the held-out
      texts, one after another; None for all there are.
    eval_masks: number of evaluations of each of them, with different masks.
  """

  source: corpora.Source = corpora.Source(corpora.Corpus.C4_AND_WIKIPEDIA)
  evaluate_on: paths.Place | None = None
  sentencepiece_model: paths.Fetched | None = None
  documents: int = 10
  mask_rate: float = 0.15
  mask_spaces: bool = True
  max_masked: float = 0.3
  eval_examples: int | None = 2048
  eval_masks: int = 1

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self,
      *("documents", "eval_examples", "eval_masks"),
      mask_rate="(0, 1]",
      max_masked="(0, 1]",
    )


def splits(
  config: DataConfig, length: int, vocab_size: int | None = None
) -> tuple[loader.Split, loader.Split]:
  """Opens the training and the evaluation split.

  Batches of both have, for P = max_masked · length masked tokens at most:
  "ids" int32 [B, length], masked and padded; "input_mask" bool [B, length],
  False for padding; "positions", "targets" int32 [B, P], the masked positions
  and their ids; "words" int32 [B, P], the number of each one's word among the
  example's masked words, -1 where there is none and the rest is 0; and
  "num_bytes" int32 [B, P].

  Args:
    config: the corpus and its masking.
    length: tokens of an example.
    vocab_size: the model's number of ids, None for any.

  Raises:
    files.InputError: if texts are missing or cannot be used, or the tokenizer
      is not the model's.
  """
  tokens = sentencepiece.tokenizer(config.sentencepiece_model, vocab_size)
  train, _ = _documents(config)
  mask = Masking(
    tokens,
    config.mask_rate,
    length,
    max_masked(config, length),
    config.mask_spaces,
  )
  name = config.source.kind.value
  return (
    loader.Split(
      corpora.Mixture(
        tuple(len(part.documents) for part in train),
        tuple(part.share for part in train),
      ),
      TrainTransform(train, config, mask),
      f"{name} train",
    ),
    loader.Split(
      list(enumerate(windows(config, length) * config.eval_masks)),
      EvalTransform(mask),
      f"{name} held out",
    ),
  )


def _documents(
  config: DataConfig,
) -> tuple[tuple[corpora.Component, ...], tuple[corpora.Component, ...]]:
  return corpora.open_corpus(config.source, config.evaluate_on)


def max_masked(config: DataConfig, length: int) -> int:
  """Returns the largest number of masked tokens of an example."""
  return max(1, int(config.max_masked * length))


def windows(config: DataConfig, length: int) -> list[np.ndarray]:
  """Cuts held-out texts into windows of `length` tokens, one after another.

  The last of a component of the corpus may be shorter. All components have
  their shares if there are more windows than examples.
  """
  tokens = sentencepiece.tokenizer(config.sentencepiece_model)
  _, held_out = _documents(config)
  found: list[np.ndarray] = []
  for component in held_out:
    count = None
    if config.eval_examples is not None:
      count = max(1, round(component.share * config.eval_examples))
    cut = _windows(component.documents, tokens, length)
    found += itertools.islice(cut, count)
  return found


def _windows(
  documents: Sequence[bytes], tokens: tokenizers.Tokenizer, length: int
) -> Iterator[np.ndarray]:
  rest = np.zeros(0, np.int32)
  for number in range(len(documents)):
    ids = tokens.encode(documents[number] + _BETWEEN)
    rest = np.concatenate([rest, ids])
    while len(rest) >= length:
      yield rest[:length]
      rest = rest[length:]
  if np.any(tokens.words(rest) >= 0):
    yield rest


@dataclasses.dataclass(frozen=True)
class Masking:
  """Masks words of an example, and pads it.

  Attributes:
    tokenizer: the vocabulary and its words.
    rate: probability of a word to be masked.
    length: tokens of an example.
    max_masked: the largest number of masked tokens.
    spaces: whether the space before a masked word is masked too.
  """

  tokenizer: tokenizers.Tokenizer
  rate: float
  length: int
  max_masked: int
  spaces: bool = True

  def __call__(
    self, ids: np.ndarray, generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns the entries of an example, see `splits`."""
    words = self.tokenizer.words(ids)
    if self.spaces:
      is_space = ids == self.tokenizer.encode(" ")
      words = tokenizers.with_spaces_before(words, is_space)
    masked = masking.mask_words(words, self.rate, self.max_masked, generator)
    positions = np.flatnonzero(masked)
    _, numbers = np.unique(words[positions], return_inverse=True)
    pad = lambda values, fill=0: _padded(values, self.max_masked, fill)
    hidden = np.where(masked, tokenizers.MASK, ids)
    return {
      "ids": _padded(hidden, self.length, tokenizers.PAD),
      "input_mask": np.arange(self.length) < len(ids),
      "positions": pad(positions),
      "targets": pad(ids[positions]),
      "words": pad(numbers, -1),
      "num_bytes": pad(self.tokenizer.num_bytes(ids[positions])),
    }


def _padded(values: np.ndarray, length: int, fill: int) -> np.ndarray:
  padded = np.full(length, fill, np.int32)
  padded[: len(values)] = values
  return padded


@dataclasses.dataclass(frozen=True)
class TrainTransform:
  """Joins documents and crops an example at a random position."""

  components: tuple[corpora.Component, ...]
  config: DataConfig
  mask: Masking

  def __call__(
    self, raw: tuple[int, int], generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns an example for the numbers of a component and a document."""
    component, first = raw
    documents = self.components[component].documents
    others = generator.integers(len(documents), size=self.config.documents - 1)
    joined = _BETWEEN.join(documents[int(i)] for i in (first, *others))
    ids = self.mask.tokenizer.encode(joined)
    spare = max(0, len(ids) - self.mask.length)
    start = int(generator.integers(spare + 1))
    return self.mask(ids[start : start + self.mask.length], generator)


@dataclasses.dataclass(frozen=True)
class EvalTransform:
  """Masks a window with a seed of its own."""

  mask: Masking

  def __call__(
    self, raw: tuple[int, np.ndarray], generator: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Returns the example of a number, which seeds the mask, and a window."""
    del generator
    number, ids = raw
    return self.mask(ids, np.random.default_rng((_EVAL_SEED, number)))
