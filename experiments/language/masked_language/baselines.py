"""Guesses of masked bytes without a network, evaluated on the same masks.

  python -m experiments.evaluate language-baselines \\
      [--checkpoint runs/masked_language-mini/model.safetensors]
"""

import collections
from collections.abc import Callable, Mapping, Sequence
import dataclasses
import pathlib
from typing import Any

import jax
import numpy as np
import tabulate

from experiments.data import bytes_tokenizer
from experiments.data import loader
from experiments.language.masked_language import configs
from experiments.language.masked_language import data as language_data
from experiments.language.masked_language import task as language_task
from experiments.language.text import tokenizers
from experiments.training import evaluation
from experiments.training import sharding
import perceiver

_NUM_IDS = bytes_tokenizer.VOCAB_SIZE
_SPACE = ord(" ") + bytes_tokenizer.NUM_SPECIAL
_SURE = 0.9  # what "always space" gives to a space
_BATCH = 64

_COLUMNS = ("bits_per_byte", "accuracy", "word_accuracy")

Batch = Mapping[str, np.ndarray]
# Probabilities [B, P, 262] of masked bytes, and the ids [B, P] it guesses.
Predictor = Callable[[Batch], tuple[np.ndarray, np.ndarray]]


def always_space(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
  """Guesses a space, of which nine tenths are certain."""
  table = np.full(_NUM_IDS, (1 - _SURE) / (_NUM_IDS - 1))
  table[_SPACE] = _SURE
  return _repeated(table, batch)


def unigram(texts: Sequence[Batch]) -> Predictor:
  """Guesses by how often every byte was masked."""
  table = _unigram(texts)
  return lambda batch: _repeated(table, batch)


def neighbours(texts: Sequence[Batch], strength: float) -> Predictor:
  """Guesses from the bytes before and after, which may be masked themselves.

  Counts of pairs of neighbours are smoothed towards the mean of what either
  neighbour gives, and those towards single bytes.

  Args:
    texts: masked texts to count in.
    strength: how many observations the less detailed guess is worth.
  """
  pairs = np.zeros((_NUM_IDS**2, _NUM_IDS), np.float32)
  for batch in texts:
    before, after = _contexts(batch)
    real = batch["words"] >= 0
    where = (before * _NUM_IDS + after)[real]
    np.add.at(pairs, (where, batch["targets"][real]), 1)
  by_pair = pairs.reshape(_NUM_IDS, _NUM_IDS, _NUM_IDS)
  single = _unigram(texts)
  smooth = lambda counts, less: (
    (counts + strength * less) / (counts.sum(axis=-1, keepdims=True) + strength)
  )
  by_before = smooth(by_pair.sum(axis=1), single)  # [262, 262]
  by_after = smooth(by_pair.sum(axis=0), single)

  def predict(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    before, after = _contexts(batch)  # [B, P]
    either = (by_before[before] + by_after[after]) / 2  # [B, P, 262]
    found = smooth(by_pair[before, after], either)
    return found, found.argmax(axis=-1)

  return predict


def words_of_length(texts: Sequence[Batch]) -> Predictor:
  """Guesses the commonest word of as many bytes.

  The probability of a byte is how often it stands at its position in words of
  its length, smoothed a little.
  """
  words: collections.Counter[bytes] = collections.Counter()
  for batch in texts:
    for row in range(len(batch["words"])):
      words.update(word for _, word in _words(batch, row))
  best: dict[int, bytes] = {}
  positions: dict[tuple[int, int], np.ndarray] = {}
  for word, count in words.most_common():
    best.setdefault(len(word), word)
    for position, byte in enumerate(word):
      key = (len(word), position)
      counts = positions.setdefault(key, np.zeros(_NUM_IDS))
      counts[byte + bytes_tokenizer.NUM_SPECIAL] += count
  single = _unigram(texts)

  def predict(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    chances, guesses = _repeated(single, batch)
    chances, guesses = chances.copy(), guesses.copy()
    for row in range(len(batch["words"])):
      for where, word in _words(batch, row):
        likely = bytes_tokenizer.encode(best.get(len(word), b"e" * len(word)))
        guesses[row, where] = likely
        for position, p in enumerate(where):
          counts = positions.get((len(word), position), np.zeros(_NUM_IDS))
          chances[row, p] = (counts + single) / (counts.sum() + 1)
    return chances, guesses

  return predict


def _unigram(texts: Sequence[Batch]) -> np.ndarray:  # [262]
  counts = np.zeros(_NUM_IDS)
  counts[bytes_tokenizer.NUM_SPECIAL :] = 1
  for batch in texts:
    np.add.at(counts, batch["targets"][batch["words"] >= 0], 1)
  return counts / counts.sum()


def _repeated(table: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
  shape = batch["targets"].shape
  chances = np.broadcast_to(table, (*shape, len(table)))
  return chances, np.full(shape, np.argmax(table))


def _contexts(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
  """Returns the ids before and after every masked byte, PAD where none is."""
  ids = np.pad(batch["ids"], ((0, 0), (1, 1)), constant_values=tokenizers.PAD)
  take = lambda offset: np.take_along_axis(
    ids, batch["positions"] + offset, axis=1
  )
  return take(0), take(2)


def _words(batch: Batch, row: int) -> list[tuple[np.ndarray, bytes]]:
  """Returns the masked words of a text: which of P they are, and their bytes.

  What no space parts counts as one word.
  """
  numbers = batch["words"][row]
  found = []
  for number in range(numbers.max() + 1):
    where = np.flatnonzero(numbers == number)
    found.append(
      (where, bytes_tokenizer.to_bytes(batch["targets"][row, where]))
    )
  return found


def evaluate(predictor: Predictor, split: loader.Split) -> dict[str, float]:
  """Returns the metrics of the task, over a whole split."""

  def measure(batch: Batch) -> dict[str, Any]:
    chances, guesses = predictor(batch)
    picked = np.take_along_axis(chances, batch["targets"][..., None], axis=-1)
    nats = -np.log(np.maximum(picked[..., 0], 1e-30))
    right = guesses == batch["targets"]
    found = language_task.masked_metrics(nats, right, batch)
    return {**found, "weight": batch["weight"]}

  return evaluation.Loop(split=split, batch_size=_BATCH).means(measure)


def table(
  data: language_data.DataConfig, length: int, num_train: int
) -> dict[str, dict[str, float]]:
  """Returns the metrics of all of these on the held-out texts.

  Args:
    data: which texts, and how they are masked.
    length: bytes of an example.
    num_train: masked examples of the training texts to count in.
  """
  train, held_out = language_data.splits(data, length)
  batches = loader.train_batches(train, batch_size=_BATCH, seed=0)
  texts = [next(batches) for _ in range(-(-num_train // _BATCH))]
  batches.close()
  # As for the other numbers, the best one is in the held-out texts' favour.
  tried = [
    evaluate(neighbours(texts, strength), held_out)
    for strength in (1.0, 4.0, 16.0)
  ]
  return {
    "always a space": evaluate(always_space, held_out),
    "unigram": evaluate(unigram(texts), held_out),
    "neighbours": min(tried, key=lambda found: found["nats"]),
    "words of length": evaluate(words_of_length(texts), held_out),
  }


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaselinesConfig:
  """Evaluates guesses without a network on the mini recipe's held-out texts.

  Attributes:
    checkpoint: a model of masked_language --mini, for the last row.
    num_train: the number of masked training texts to count in.
  """

  checkpoint: pathlib.Path | None = None
  num_train: int = 20_000


def run(config: BaselinesConfig) -> None:
  """Runs the command `evaluate language-baselines`.

  Raises:
    perceiver.CheckpointError: if the checkpoint cannot be used.
  """
  experiment = configs.MINI
  length = experiment.model.text.max_length
  rows = table(experiment.data, length, config.num_train)
  if config.checkpoint is not None:
    model, variables = perceiver.load(config.checkpoint)
    task = language_task.MaskedLanguage(model=model, data=experiment.data)
    mesh = sharding.make_mesh(experiment.train.parallel)
    training = dataclasses.replace(experiment.train, eval_batch_size=_BATCH)
    found = evaluation.make(task, mesh, training)(jax.device_put(variables))
    rows[str(config.checkpoint)] = dict(found.metrics)
  print(
    tabulate.tabulate(
      [(name, *(row[c] for c in _COLUMNS)) for name, row in rows.items()],
      ("", *_COLUMNS),
      tablefmt="plain",
      floatfmt=".4f",
    )
  )
