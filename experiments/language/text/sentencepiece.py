"""Texts as SentencePiece pieces, by models of the `sentencepiece` library.

Models are made by `python -m experiments.prepare sentencepiece`,
which gives the special tokens the ids that bytes have. Encoding is lossless:
text without a piece becomes bytes, spaces and line breaks are kept. Only
U+2581, with which the library marks spaces, is decoded as a space.
"""

from collections.abc import Iterable, Iterator
import contextlib
import dataclasses
import functools
import io
import pathlib
from typing import Any

import numpy as np

from experiments.data import files
from experiments.language.text import tokenizers

_SPECIAL = {
  "[PAD]": tokenizers.PAD,
  "[BOS]": tokenizers.BOS,
  "[EOS]": tokenizers.EOS,
  "[MASK]": tokenizers.MASK,
  "[CLS]": tokenizers.CLS,
  "[SEP]": tokenizers.SEP,
}
_UNKNOWN = len(_SPECIAL)
_SPACE = "\u2581"
_MAKE_ONE = "python -m experiments.prepare sentencepiece makes one"


@dataclasses.dataclass(frozen=True)
class SentencePiece:
  """The tokenizer of one model.

  Attributes:
    model: the contents of a model file.
    name: the model's name in messages.
  """

  model: bytes
  name: str

  def __post_init__(self) -> None:
    try:
      self._processor  # noqa: B018 made now, so that it fails here
    except (RuntimeError, ValueError) as error:  # ValueError: names in no UTF-8
      raise files.InputError(
        f"{self.name} is not a SentencePiece model"
      ) from error
    for piece, expected in _SPECIAL.items():
      found = None
      with contextlib.suppress(IndexError, UnicodeDecodeError):
        found = self._processor.id_to_piece(expected)
      if found != piece:
        raise files.InputError(
          f"{self.name} has no piece {piece} of id {expected}; {_MAKE_ONE} "
          "that has"
        )

  @functools.cached_property
  def _processor(self) -> Any:
    return _library().SentencePieceProcessor(model_proto=self.model)

  @property
  def vocab_size(self) -> int:
    """The number of pieces, special ones included."""
    return int(self._processor.vocab_size())

  def encode(self, text: str | bytes) -> np.ndarray:  # [pieces] int32
    """Returns the ids of a text.

    Raises:
      ValueError: if bytes are not UTF-8.
    """
    if isinstance(text, bytes):
      text = text.decode("utf-8")
    return np.asarray(self._processor.encode(text), np.int32)

  def decode(self, ids: Iterable[int]) -> str:
    """Returns the text of ids, without the special ones.

    Raises:
      ValueError: if a number is not an id.
    """
    ids = [int(i) for i in ids]
    if wrong := [i for i in ids if not 0 <= i < self.vocab_size]:
      raise ValueError(
        f"Pieces: {wrong[0]} is not an id; expected 0 to {self.vocab_size - 1}."
      )
    return str(self._processor.decode(ids))  # Special ids have no text.

  def words(self, ids: np.ndarray) -> np.ndarray:  # [pieces] -> [pieces] int32
    """Returns the number of every piece's word, -1 for whitespace."""
    blank, begins, _ = self._pieces
    return tokenizers.number_words(blank[ids], begins[ids])

  def num_bytes(self, ids: np.ndarray) -> np.ndarray:  # [pieces] int32
    """Returns the number of bytes of UTF-8 of every piece."""
    return self._pieces[2][ids]

  @functools.cached_property
  def _pieces(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Blankness, begin of a word and number of bytes of every id."""
    found = [self._describe(i) for i in range(self.vocab_size)]
    blank, begins, lengths = zip(*found)
    return np.array(blank), np.array(begins), np.array(lengths, np.int32)

  def _describe(self, number: int) -> tuple[bool, bool, int]:
    processor = self._processor
    if number < len(_SPECIAL):
      return True, False, 0
    piece = processor.id_to_piece(number)
    if processor.is_byte(number):  # such as <0x0A>
      return chr(int(piece[1:-1], 16)) in " \t\n\r\f\v", False, 1
    text = piece.replace(_SPACE, " ")
    return not text.strip(), text.startswith(" "), len(text.encode())


def tokenizer(
  path: pathlib.Path | None, vocab_size: int | None = None
) -> tokenizers.Tokenizer:
  """Returns the tokenizer of a model file.

  Args:
    path: the file; None for bytes.
    vocab_size: the expected number of ids, None for any.

  Raises:
    files.InputError: if the file cannot be read, is no model, has other special
      ids, or another number of ids.
  """
  found: tokenizers.Tokenizer = tokenizers.Bytes()
  if path is not None:
    found = SentencePiece(files.read_bytes(path), str(path))
  if vocab_size not in (None, found.vocab_size):
    raise files.InputError(
      f"{path or 'the vocabulary of bytes'} has {found.vocab_size} tokens; "
      f"expected {vocab_size}, those of the model. Set "
      f"data.sentencepiece_model: {_MAKE_ONE}"
    )
  return found


def train(lines: Iterator[str], vocab_size: int) -> bytes:
  """Makes a model from lines of text.

  Args:
    lines: the text, without line breaks.
    vocab_size: number of pieces, special ones and 256 bytes included.

  Returns:
    The contents of a model file.

  Raises:
    files.InputError: if the text has not enough different pieces.
  """
  special = list(_SPECIAL)
  model = io.BytesIO()
  try:
    _library().SentencePieceTrainer.train(
      sentence_iterator=lines,
      model_writer=model,
      vocab_size=vocab_size,
      model_type="unigram",
      # Nothing of the text is changed or lost.
      normalization_rule_name="identity",
      remove_extra_whitespaces=False,
      add_dummy_prefix=False,
      byte_fallback=True,
      user_defined_symbols=["\n"],
      pad_id=tokenizers.PAD,
      pad_piece=special[tokenizers.PAD],
      bos_id=tokenizers.BOS,
      bos_piece=special[tokenizers.BOS],
      eos_id=tokenizers.EOS,
      eos_piece=special[tokenizers.EOS],
      control_symbols=special[tokenizers.MASK :],
      unk_id=_UNKNOWN,
      max_sentence_length=1 << 16,
      minloglevel=2,
    )
  except RuntimeError as error:
    raise files.InputError(
      f"no {vocab_size} pieces can be made of this text: {error}"
    ) from error
  return model.getvalue()


def _library() -> Any:
  try:
    import sentencepiece
  except ModuleNotFoundError as error:
    raise files.InputError(
      "the library sentencepiece is not installed: `pip install -e '.[text]'`"
    ) from error
  return sentencepiece
