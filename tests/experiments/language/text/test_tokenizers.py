"""Bytes and pieces, as ids, words and texts again."""

import numpy as np
import pytest

from experiments.data import python_topics
from experiments.language.text import sentencepiece
from experiments.language.text import tokenizers
from tests.helpers import tiny_language

TEXTS = [
  "",
  " ",
  "two  words\n",
  "  indented\n\n\ttabs\r\nand [MASK] <0x0A> </s>",
  "Grüße, 世界! 😀 e\u0301\u00a0x",
  "\x00\x7f",
]


@pytest.fixture(scope="module")
def pieces():
  return sentencepiece.SentencePiece(tiny_language.pieces(), "pieces")


@pytest.fixture(params=["bytes", "pieces"])
def tokenizer(request, pieces):
  return tokenizers.Bytes() if request.param == "bytes" else pieces


@pytest.mark.parametrize("text", TEXTS)
def test_texts_come_back(tokenizer, text):
  ids = tokenizer.encode(text)
  assert ids.dtype == np.int32
  assert tokenizer.decode(ids) == text
  np.testing.assert_array_equal(tokenizer.encode(text.encode()), ids)
  assert tokenizer.num_bytes(ids).sum() == len(text.encode())


def test_all_prose_comes_back(tokenizer):
  for document in python_topics.documents(held_out=True):
    ids = tokenizer.encode(document)
    assert tokenizer.decode(ids) == document.decode()
    assert tokenizer.num_bytes(ids).sum() == len(document)


def test_both_have_the_same_special_ids(tokenizer):
  special = [0, 1, 2, 3, 4, 5]
  assert special == [
    tokenizers.PAD,
    tokenizers.BOS,
    tokenizers.EOS,
    tokenizers.MASK,
    tokenizers.CLS,
    tokenizers.SEP,
  ]
  text = tokenizer.encode("ab c")
  assert tokenizer.decode([*special, *text, 0]) == "ab c"
  assert text.min() > 5
  assert list(tokenizer.num_bytes(np.arange(6))) == [0] * 6
  assert list(tokenizer.words(np.arange(6))) == [-1] * 6


def test_the_words_of_bytes():
  tokenizer = tokenizers.Bytes()
  found = tokenizer.words(tokenizer.encode(" ab\tö\n\n c."))
  assert list(found) == [-1, 0, 0, -1, 1, 1, -1, -1, -1, 2, 2]
  assert list(tokenizer.words(np.array([70, 3, 71, 5]))) == [0, -1, 1, -1]
  assert not len(tokenizer.words(tokenizer.encode("")))


def test_both_find_the_same_words(tokenizer):
  text = "  of the string is a def f(statement):\n\treturn  the 日本 x\r\n"
  ids = tokenizer.encode(text)
  words = tokenizer.words(ids)
  found = [
    tokenizer.decode(ids[words == number]).strip()
    for number in range(words.max() + 1)
  ]
  assert found == text.split()
  assert not tokenizer.decode(ids[words < 0]).strip()


def test_numbers_that_are_no_ids_are_refused(tokenizer):
  size = tokenizer.vocab_size
  for wrong in (-1, size):
    with pytest.raises(ValueError, match=f"expected 0 to {size - 1}"):
      tokenizer.decode([wrong])


def test_random_bytes_come_back():
  numbers = np.random.default_rng(0)
  for length in (0, 1, 2, 255, 1000):
    content = numbers.bytes(length)
    ids = tokenizers.Bytes().encode(content)
    assert (ids - 6).astype(np.uint8).tobytes() == content
