"""Texts as ids and back, by bytes or SentencePiece pieces, and their words.

All tokenizers share the six special ids of the released byte models, PAD 0,
BOS 1, EOS 2, MASK 3, CLS 4 and SEP 5; no text encodes to them.
"""

from collections.abc import Iterable
import dataclasses
from typing import ClassVar, Protocol

import numpy as np

from experiments.data import bytes_tokenizer

PAD, BOS, EOS, MASK, CLS, SEP = range(bytes_tokenizer.NUM_SPECIAL)
_WHITESPACE = np.frombuffer(b" \t\n\r\f\v", np.uint8)


class Tokenizer(Protocol):
  """A vocabulary: turns texts into ids and back."""

  @property
  def vocab_size(self) -> int:
    """The number of ids."""

  def encode(self, text: str | bytes) -> np.ndarray:  # [tokens] int32
    """Returns the ids of a text; nothing is put before or after it."""

  def decode(self, ids: Iterable[int]) -> str:
    """Returns the text of ids, without the special ones.

    Raises:
      ValueError: if a number is not an id.
    """

  def words(self, ids: np.ndarray) -> np.ndarray:  # [tokens] -> [tokens] int32
    """Returns the number of every token's word, from 0; -1 for none.

    Words are separated by whitespace. Special ids end a word and belong to
    none.
    """

  def num_bytes(
    self, ids: np.ndarray
  ) -> np.ndarray:  # [tokens] -> [tokens] int32
    """Returns the number of bytes of every token's text."""


@dataclasses.dataclass(frozen=True)
class Bytes:
  """Every byte of the text in UTF-8 is a token; whitespace is ASCII's."""

  vocab_size: ClassVar[int] = bytes_tokenizer.VOCAB_SIZE
  encode = staticmethod(bytes_tokenizer.encode)
  decode = staticmethod(bytes_tokenizer.decode)

  def words(self, ids: np.ndarray) -> np.ndarray:  # [bytes] -> [bytes] int32
    """Returns the number of every byte's word, -1 for whitespace."""
    blank = ids < bytes_tokenizer.NUM_SPECIAL
    blank |= np.isin(ids - bytes_tokenizer.NUM_SPECIAL, _WHITESPACE)
    return number_words(blank, np.zeros_like(blank))

  def num_bytes(self, ids: np.ndarray) -> np.ndarray:  # [bytes] int32
    """Returns ones, and 0 for special ids."""
    return (ids >= bytes_tokenizer.NUM_SPECIAL).astype(np.int32)


def with_spaces_before(
  words: np.ndarray,  # [tokens] integers
  is_space: np.ndarray,  # [tokens] bool
) -> np.ndarray:  # [tokens] integers
  """Returns numbers of words to which the space before each belongs.

  Args:
    words: from `Tokenizer.words`.
    is_space: tokens that are a single space.
  """
  following = np.append(words, -1)[1:]
  return np.where(is_space & (words < 0), following, words)


def number_words(
  blank: np.ndarray,  # [tokens] bool
  begins: np.ndarray,  # [tokens] bool
) -> np.ndarray:  # [tokens] int32
  """Numbers the words between blank tokens.

  Args:
    blank: tokens that belong to no word.
    begins: tokens that begin a word at any position.

  Returns:
    Numbers of words from 0, -1 for blank tokens.
  """
  after_blank = np.concatenate([[True], blank[:-1]])[: len(blank)]
  starts = ~blank & (begins | after_blank)
  return np.where(blank, -1, np.cumsum(starts) - 1).astype(np.int32)
