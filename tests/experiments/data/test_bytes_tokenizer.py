"""Texts to ids and back."""

import numpy as np
import pytest

from experiments.data import bytes_tokenizer
from perceiver.models import language


def test_every_byte_has_an_id_and_comes_back():
  everything = bytes(range(256))
  ids = bytes_tokenizer.encode(everything)
  np.testing.assert_array_equal(ids, np.arange(6, 262))
  assert bytes_tokenizer.to_bytes(ids) == everything


@pytest.mark.parametrize("text", ["", "a", "Größe 漢字 🙂", "line\r\n\x00"])
def test_texts_come_back(text):
  ids = bytes_tokenizer.encode(text)
  assert len(ids) == len(text.encode())
  assert ids.dtype == np.int32
  assert bytes_tokenizer.decode(ids) == text


def test_special_ids():
  names = ("PAD", "BOS", "EOS", "MASK", "CLS", "SEP")
  assert [getattr(bytes_tokenizer, n) for n in names] == list(range(6))
  assert bytes_tokenizer.VOCAB_SIZE == language.NUM_BYTES == 262
  assert bytes_tokenizer.decode([1, 6 + ord("a"), 3, 6 + ord("b"), 2]) == "ab"


def test_what_is_not_utf8_is_replaced_in_text_only():
  ids = bytes_tokenizer.encode(b"a\xffb")
  assert bytes_tokenizer.decode(ids) == "a\ufffdb"
  assert bytes_tokenizer.to_bytes(ids) == b"a\xffb"


@pytest.mark.parametrize("ids", [[-1], [262]])
def test_what_is_no_id_is_refused(ids):
  with pytest.raises(ValueError, match="expected 0 to 261"):
    bytes_tokenizer.to_bytes(ids)
