"""Guesses without a network."""

import numpy as np
import pytest

from experiments.data import bytes_tokenizer
from experiments.language.masked_language import baselines
from experiments.language.masked_language import data
from experiments.language.text import tokenizers


def masked(texts, numbers):
  """Returns a batch of texts, each with the words of given numbers masked."""
  mask = data.Masking(tokenizers.Bytes(), 1.0, 16, 16, spaces=False)
  rows = []
  for text, number in zip(texts, numbers):
    ids = bytes_tokenizer.encode(text)
    row = mask(ids, np.random.default_rng(0))
    keep = np.isin(row["words"], number)
    count = keep.sum()
    row["ids"][: len(ids)] = ids
    row["ids"][row["positions"][keep]] = bytes_tokenizer.MASK
    for name in ("positions", "targets", "num_bytes"):
      row[name] = np.append(row[name][keep], np.zeros(16 - count, np.int32))
    _, order = np.unique(row["words"][keep], return_inverse=True)
    row["words"] = np.append(order, np.full(16 - count, -1))
    rows.append(row)
  return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def guessed(predictor, batch):
  """Returns the guesses of the first text, and their probabilities."""
  chances, guesses = predictor(batch)
  assert chances.shape == (*guesses.shape, 262)
  np.testing.assert_allclose(chances.sum(axis=-1), 1, rtol=1e-5)
  count = (batch["words"][0] >= 0).sum()
  text = bytes_tokenizer.decode(guesses[0, :count])
  return text, chances[0, np.arange(count), guesses[0, :count]]


def test_unigrams():
  seen = [masked(["aab b", "b a"], [[0, 1], [0, 1]])]
  text, chances = guessed(baselines.unigram(seen), masked(["x yy"], [[1]]))
  assert text == "aa"
  np.testing.assert_allclose(chances, 4 / (256 + 6))


def test_a_space_is_never_masked():
  text, chances = guessed(baselines.always_space, masked(["x yy"], [[1]]))
  assert text == "  "
  np.testing.assert_allclose(chances, 0.9)


def test_neighbours_are_used():
  """A letter between spaces, and one that ends the text."""
  seen = [masked(["q a q", "q a q", "q b"], [[1], [1], [1]])]
  predictor = baselines.neighbours(seen, strength=0.01)
  text, chances = guessed(predictor, masked(["z x z"], [[1]]))
  assert text == "a"
  assert chances[0] == pytest.approx(1, abs=0.02)
  text, _ = guessed(predictor, masked(["z x"], [[1]]))
  assert text == "b"


def test_either_neighbour_helps_where_the_pair_was_never_seen():
  """After a mask there was a b, before one there was an a."""
  seen = [masked(["q ab q"], [[1]])]
  predictor = baselines.neighbours(seen, strength=0.01)
  text, _ = guessed(predictor, masked(["z xy"], [[1]]))
  assert text == "ab"
  text, _ = guessed(predictor, masked(["xy z"], [[0]]))
  assert text == "ab"


def test_words_of_a_length():
  seen = [masked(["the fox", "the a", "for a"], [[0, 1], [0, 1], [0, 1]])]
  predictor = baselines.words_of_length(seen)
  text, chances = guessed(predictor, masked(["xxx yy z"], [[0, 2]]))
  assert text == "thea"
  assert chances[0] == pytest.approx(0.5, abs=0.1)
  assert chances[3] > 0.6
