"""Byte tokenizer: the vocabulary of the released byte models.

The id of a byte of the UTF-8 text is its value plus six, after six special ids.
Every sequence of bytes, text or not, has ids that decode to it.
"""

from collections.abc import Iterable

import numpy as np

PAD, BOS, EOS, MASK, CLS, SEP = range(6)
NUM_SPECIAL = 6
VOCAB_SIZE = NUM_SPECIAL + 256


def encode(text: str | bytes) -> np.ndarray:  # [bytes] int32
  """Returns the ids of a text, without special ids."""
  if isinstance(text, str):
    text = text.encode("utf-8", "surrogateescape")
  return np.frombuffer(text, np.uint8).astype(np.int32) + NUM_SPECIAL


def to_bytes(ids: Iterable[int]) -> bytes:
  """Returns the bytes of ids, without the special ones.

  Raises:
    ValueError: if a number is not an id.
  """
  ids = ids if isinstance(ids, np.ndarray) else list(ids)
  try:
    ids = np.asarray(ids, np.int64)
  except OverflowError as error:
    raise ValueError(
      f"Bytes: ids go beyond 64 bits; expected 0 to {VOCAB_SIZE - 1}."
    ) from error
  if np.any((ids < 0) | (ids >= VOCAB_SIZE)):
    raise ValueError(
      f"Bytes: ids go from {np.min(ids)} to {np.max(ids)}; expected 0 to "
      f"{VOCAB_SIZE - 1}."
    )
  return (ids[ids >= NUM_SPECIAL] - NUM_SPECIAL).astype(np.uint8).tobytes()


def decode(ids: Iterable[int]) -> str:
  """Returns the text of ids; what is not UTF-8 becomes a replacement sign."""
  return to_bytes(ids).decode("utf-8", "replace")
