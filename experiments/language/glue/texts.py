"""Sentences and pairs of them as ids of one length.

The papers do not state how pairs are joined: here by the separator, id 5 of the
bytes, as in BERT, but without a token before the text, for the models add their
own.
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

from experiments.language.text import tokenizers
from perceiver import bounds

SEPARATOR = tokenizers.SEP


@dataclasses.dataclass(frozen=True)
class Encoder:
  """Turns the texts of an example into ids.

  Attributes:
    tokenizer: the vocabulary.
    max_length: ids of an example; longer ones are cut, shorter ones padded.
  """

  tokenizer: tokenizers.Tokenizer
  max_length: int

  def __post_init__(self) -> None:
    # At least two texts and the separator.
    bounds.check_ranges(self, max_length="[3, inf)")

  def ids(self, texts: Sequence[str]) -> np.ndarray:  # [<= max_length] int32
    """Returns the ids of one text, or of two with the separator between.

    Args:
      texts: one or two; where they are too long, the longer one loses its end
        until it is as short as the other, then both do.
    """
    encoded = [self.tokenizer.encode(text) for text in texts]
    keep = cut(list(map(len, encoded)), self.max_length - len(texts) + 1)
    separator = np.array([SEPARATOR], np.int32)
    segments = [encoded[0][: keep[0]]]
    for ids, count in zip(encoded[1:], keep[1:]):
      segments += [separator, ids[:count]]
    return np.concatenate(segments)

  def padded(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Returns "ids" int32 and "input_mask" bool, False at padding."""
    ids = self.ids(texts)
    row = np.full(self.max_length, tokenizers.PAD, np.int32)
    row[: len(ids)] = ids
    return {"ids": row, "input_mask": np.arange(self.max_length) < len(ids)}

  def is_cut(self, texts: Sequence[str]) -> bool:
    """Returns whether an example is too long."""
    total = sum(len(self.tokenizer.encode(text)) for text in texts)
    return total + len(texts) - 1 > self.max_length


def cut(lengths: Sequence[int], room: int) -> list[int]:
  """Returns the lengths to keep of one or two texts, cutting the longer first.

  Args:
    lengths: of the texts.
    room: the largest sum of lengths.
  """
  if sum(lengths) <= room:
    return list(lengths)
  if len(lengths) == 1:
    return [room]
  first, second = lengths
  if second <= room // 2:
    return [room - second, second]
  kept = min(first, room - room // 2)
  return [kept, room - kept]
