"""Which words a masked language model has to guess."""

import numpy as np


def mask_words(
  words: np.ndarray,  # [tokens] integers
  rate: float,
  max_masked: int,
  generator: np.random.Generator,
) -> np.ndarray:  # [tokens] bool
  """Draws words to mask, each on its own and always whole.

  A text of which no word was drawn gets one masked all the same, as there would
  be nothing to learn from it. Of the words drawn, in an order drawn as well,
  those are left out that do not fit into `max_masked` any more; a word longer
  than that is never masked.

  Args:
    words: which word every token is of, from 0; -1 for none.
    rate: probability of a word to be masked.
    max_masked: the largest number of tokens that may be masked.
    generator: what is drawn from.

  Returns:
    Which tokens are masked.
  """
  sizes = np.bincount(words[words >= 0])  # [words]
  drawn = generator.random(len(sizes)) < rate
  order = generator.permutation(len(sizes))
  if not drawn[sizes <= max_masked].any():
    fitting = order[sizes[order] <= max_masked]
    drawn[fitting[:1]] = True
  if sizes[drawn].sum() > max_masked:
    drawn = _fitting(drawn, sizes, order, max_masked)
  return np.append(drawn, False)[words]  # what is no word, -1, is the last


def _fitting(
  drawn: np.ndarray, sizes: np.ndarray, order: np.ndarray, max_masked: int
) -> np.ndarray:
  kept, total = np.zeros_like(drawn), 0
  for word in order[drawn[order]]:
    if total + sizes[word] <= max_masked:
      kept[word] = True
      total += sizes[word]
  return kept
