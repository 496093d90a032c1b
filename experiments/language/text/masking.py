"""Whole-word masking."""

import numpy as np


def mask_words(
  words: np.ndarray,  # [tokens] integers
  rate: float,
  max_masked: int,
  generator: np.random.Generator,
) -> np.ndarray:  # [tokens] bool
  """Samples whole words to mask, independently of one another.

  At least one word of every text is masked, for the loss of a text without
  masks is 0. Of the sampled words, in random order, those are left out that do
  not fit into `max_masked` any more; a longer word is never masked.

  Args:
    words: the number of every token's word, from 0; -1 for none.
    rate: probability of a word to be masked.
    max_masked: the largest number of tokens that may be masked.
    generator: the source of all randomness.

  Returns:
    True for masked tokens.
  """
  sizes = np.bincount(words[words >= 0])  # [words]
  sampled = generator.random(len(sizes)) < rate
  order = generator.permutation(len(sizes))
  if not sampled[sizes <= max_masked].any():
    fitting = order[sizes[order] <= max_masked]
    sampled[fitting[:1]] = True
  if sizes[sampled].sum() > max_masked:
    sampled = _fitting(sampled, sizes, order, max_masked)
  return np.append(sampled, False)[words]  # -1, no word, is the last entry


def _fitting(
  sampled: np.ndarray, sizes: np.ndarray, order: np.ndarray, max_masked: int
) -> np.ndarray:
  kept, total = np.zeros_like(sampled), 0
  for word in order[sampled[order]]:
    if total + sizes[word] <= max_masked:
      kept[word] = True
      total += sizes[word]
  return kept
