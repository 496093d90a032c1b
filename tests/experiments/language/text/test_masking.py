"""Whole-word masking."""

import numpy as np
import pytest

from experiments.data import python_topics
from experiments.language.text import masking
from experiments.language.text import tokenizers


def masked_words(text, rate, max_masked, seed=0):
  tokenizer = tokenizers.Bytes()
  ids = tokenizer.encode(text)
  words = tokenizer.words(ids)
  masked = masking.mask_words(
    words, rate, max_masked, np.random.default_rng(seed)
  )
  return words, masked


def test_words_are_masked_whole_and_nothing_else_is():
  text = b" ".join(python_topics.documents(held_out=True))
  words, masked = masked_words(text, 0.15, len(text))
  assert not masked[words < 0].any()
  sizes = np.bincount(words[words >= 0])
  found = np.bincount(words[masked], minlength=len(sizes))
  assert np.all((found == 0) | (found == sizes))


@pytest.mark.parametrize("rate", [0.15, 0.5])
def test_the_share_of_masked_words(rate):
  """Five deviations of the sampling error."""
  text = b" ".join(python_topics.documents(held_out=False))
  words, masked = masked_words(text, rate, len(text))
  total, found = words.max() + 1, len(np.unique(words[masked]))
  assert total > 50_000
  error = 5 * (rate * (1 - rate) / total) ** 0.5
  assert found / total == pytest.approx(rate, abs=error)


def test_words_are_sampled_independently():
  """Two neighbours are masked with the square of the rate."""
  words, masked = masked_words(b"a " * 40_000, 0.15, 80_000)
  flags = masked[words >= 0]
  both = np.mean(flags[1:] & flags[:-1])
  assert both == pytest.approx(0.15**2, abs=0.004)


def test_at_least_one_word_is_masked():
  for seed in range(20):
    _, masked = masked_words(b"four words stand here", 1e-9, 5, seed)
    assert masked.sum() in (4, 5)


def test_words_that_do_not_fit_are_left():
  found = set()
  for seed in range(40):
    words, masked = masked_words(b"aaaa bbb cc d", 1.0, 5, seed)
    assert 0 < masked.sum() <= 5
    found.add(tuple(np.unique(words[masked])))
  assert {(0, 3), (1, 2)} <= found


def test_words_that_cannot_be_masked():
  for text in (b"", b" \n ", b"toolong"):
    _, masked = masked_words(text, 0.15, 5)
    assert masked.shape == (len(text),)
    assert not masked.any()
  for rate, seed in ((1.0, 0), *((1e-9, seed) for seed in range(9))):
    _, masked = masked_words(b"toolong ok", rate, 5, seed)
    assert list(np.flatnonzero(masked)) == [8, 9]


def test_the_generator_decides():
  text = python_topics.documents(held_out=True)[0]
  one, again, other = (
    masked_words(text, 0.15, len(text), seed)[1] for seed in (1, 1, 2)
  )
  np.testing.assert_array_equal(one, again)
  assert np.any(one != other)
