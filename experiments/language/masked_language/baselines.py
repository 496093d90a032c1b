"""What guesses masked bytes without a network, judged on the same masks.

  python -m experiments.language.masked_language.baselines \\
      [--checkpoint runs/...-mini]

prints a table for the mini recipe's held-out texts, with the model of a
checkpoint in its last row.
"""

import argparse
import collections
from collections.abc import Callable, Mapping, Sequence
import dataclasses
import pathlib

import jax
import numpy as np

from experiments.cli import errors
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

Batch = Mapping[str, np.ndarray]
# Probabilities [B, P, 262] of masked bytes, and the ids [B, P] it guesses.
Predictor = Callable[[Batch], tuple[np.ndarray, np.ndarray]]


def always_space(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
  """Guesses a space, of which nine tenths are certain."""
  table = np.full(_NUM_IDS, (1 - _SURE) / (_NUM_IDS - 1))
  table[_SPACE] = _SURE
  return _spread(table, batch)


def unigram(seen: Sequence[Batch]) -> Predictor:
  """Guesses by how often every byte was masked."""
  table = _unigram(seen)
  return lambda batch: _spread(table, batch)


def neighbours(seen: Sequence[Batch], strength: float) -> Predictor:
  """Guesses from the bytes before and after, which may be masked themselves.

  Counts of pairs of neighbours are smoothed towards the mean of what either
  neighbour says, and those towards single bytes.

  Args:
    seen: masked texts to count in.
    strength: how many observations the less detailed guess is worth.
  """
  pairs = np.zeros((_NUM_IDS**2, _NUM_IDS), np.float32)
  for batch in seen:
    before, after = _contexts(batch)
    real = batch["words"] >= 0
    where = (before * _NUM_IDS + after)[real]
    np.add.at(pairs, (where, batch["targets"][real]), 1)
  by_pair = pairs.reshape(_NUM_IDS, _NUM_IDS, _NUM_IDS)
  single = _unigram(seen)
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


def words_of_length(seen: Sequence[Batch]) -> Predictor:
  """Guesses the commonest word of as many bytes.

  The probability of a byte is how often it stands at its place in words of its
  length, smoothed a little.
  """
  words: collections.Counter[bytes] = collections.Counter()
  for batch in seen:
    for row in range(len(batch["words"])):
      words.update(word for _, word in _words(batch, row))
  best: dict[int, bytes] = {}
  places: dict[tuple[int, int], np.ndarray] = {}
  for word, count in words.most_common():
    best.setdefault(len(word), word)
    for place, byte in enumerate(word):
      key = (len(word), place)
      counts = places.setdefault(key, np.zeros(_NUM_IDS))
      counts[byte + bytes_tokenizer.NUM_SPECIAL] += count
  single = _unigram(seen)

  def predict(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    chances, guesses = _spread(single, batch)
    chances, guesses = chances.copy(), guesses.copy()
    for row in range(len(batch["words"])):
      for where, word in _words(batch, row):
        likely = bytes_tokenizer.encode(best.get(len(word), b"e" * len(word)))
        guesses[row, where] = likely
        for place, p in enumerate(where):
          counts = places.get((len(word), place), np.zeros(_NUM_IDS))
          chances[row, p] = (counts + single) / (counts.sum() + 1)
    return chances, guesses

  return predict


def _unigram(seen: Sequence[Batch]) -> np.ndarray:  # [262]
  counts = np.zeros(_NUM_IDS)
  counts[bytes_tokenizer.NUM_SPECIAL :] = 1
  for batch in seen:
    np.add.at(counts, batch["targets"][batch["words"] >= 0], 1)
  return counts / counts.sum()


def _spread(table: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
  shape = batch["targets"].shape
  chances = np.broadcast_to(table, (*shape, len(table)))
  return chances, np.full(shape, table.argmax())


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

  def measure(batch: Batch) -> dict[str, np.ndarray]:
    chances, guesses = predictor(batch)
    picked = np.take_along_axis(chances, batch["targets"][..., None], axis=-1)
    nats = -np.log(np.maximum(picked[..., 0], 1e-30))
    right = guesses == batch["targets"]
    found = language_task.masked_metrics(nats, right, batch)
    return {**found, "weight": batch["weight"]}

  loop = evaluation.Loop(split=split, batch_size=_BATCH)
  return {
    name: float(np.mean(values, dtype=np.float64))
    for name, values in loop.collect(measure).items()
  }


def table(
  data: language_data.DataConfig, length: int, num_seen: int
) -> dict[str, dict[str, float]]:
  """Returns the metrics of all of these on the held-out texts.

  Args:
    data: which texts, and how they are masked.
    length: bytes of an example.
    num_seen: masked examples of the training texts to count in.
  """
  train, held_out = language_data.splits(data, length)
  batches = loader.train_batches(train, batch_size=_BATCH, seed=0)
  seen = [next(batches) for _ in range(-(-num_seen // _BATCH))]
  batches.close()
  # As for the other numbers, the best one is in the held-out texts' favour.
  tried = [
    evaluate(neighbours(seen, strength), held_out)
    for strength in (1.0, 4.0, 16.0)
  ]
  return {
    "always a space": evaluate(always_space, held_out),
    "unigram": evaluate(unigram(seen), held_out),
    "neighbours": min(tried, key=lambda found: found["nats"]),
    "words of length": evaluate(words_of_length(seen), held_out),
  }


def main(arguments: Sequence[str] | None = None) -> int:
  """Prints the table; returns the exit code."""
  parser = argparse.ArgumentParser(
    prog="python -m experiments.language.masked_language.baselines",
    description="Judges guesses without a network on the mini recipe's texts.",
    allow_abbrev=False,
  )
  parser.add_argument(
    "--checkpoint", type=pathlib.Path, help="a model.safetensors of --mini"
  )
  parser.add_argument(
    "--seen", type=int, default=20_000, help="masked training texts to count in"
  )
  options = parser.parse_args(arguments)
  return errors.run(lambda: _print(options.checkpoint, options.seen))


def _print(checkpoint: pathlib.Path | None, num_seen: int) -> None:
  experiment = configs.MINI
  rows = table(experiment.data, experiment.model.text.max_length, num_seen)
  if checkpoint is not None:
    model, variables = perceiver.restore(checkpoint)
    task = language_task.MaskedLanguage(model=model, data=experiment.data)
    mesh = sharding.make_mesh(experiment.train.parallel)
    config = dataclasses.replace(experiment.train, eval_batch_size=_BATCH)
    found = evaluation.make(task, mesh, config)(jax.device_put(variables))
    rows[str(checkpoint)] = dict(found.metrics)
  columns = ("bits_per_byte", "accuracy", "word_accuracy")
  print(f"{'':24} {'  '.join(columns)}")
  for name, metrics in rows.items():
    numbers = (f"{metrics[c]:{len(c)}.4f}" for c in columns)
    print(f"{name[-24:]:24} {'  '.join(numbers)}")


if __name__ == "__main__":
  raise SystemExit(main())
