"""Sentences and pairs as ids of one length."""

import pickle

import numpy as np
import pytest

from experiments.language.glue import texts
from experiments.language.text import tokenizers

BYTES = tokenizers.Bytes()


@pytest.mark.parametrize(
  ("lengths", "room", "kept"),
  [
    ((3,), 5, [3]),
    ((9,), 5, [5]),
    ((3, 2), 5, [3, 2]),
    ((9, 2), 6, [4, 2]),
    ((2, 9), 6, [2, 4]),
    ((9, 4), 6, [3, 3]),
    ((9, 9), 7, [4, 3]),
    ((3, 9), 7, [3, 4]),
    ((9, 3), 7, [4, 3]),
    ((4, 9), 7, [4, 3]),
    ((0, 9), 7, [0, 7]),
    ((9, 0), 7, [7, 0]),
  ],
)
def test_the_longer_text_is_cut_first(lengths, room, kept):
  assert texts.cut(lengths, room) == kept


def test_ids():
  encoder = texts.Encoder(BYTES, 6)
  # Bytes are 6 more than their value; 5 separates, 0 pads.
  found = encoder.padded(("ab", "c"))
  np.testing.assert_array_equal(found["ids"], [103, 104, 5, 105, 0, 0])
  assert (found["ids"].dtype, found["input_mask"].dtype) == (np.int32, bool)
  np.testing.assert_array_equal(found["input_mask"], [1, 1, 1, 1, 0, 0])
  found = encoder.padded(("é",))
  np.testing.assert_array_equal(found["ids"], [201, 175, 0, 0, 0, 0])
  assert found["input_mask"].sum() == 2
  assert not encoder.padded(("",))["input_mask"].any()


def test_long_texts_are_cut():
  encoder = texts.Encoder(BYTES, 6)
  assert BYTES.decode(encoder.ids(("abcdefgh",))) == "abcdef"
  found = encoder.ids(("abcdef", "xyz"))
  assert found.tolist() == [103, 104, 105, 5, 126, 127]
  cut = [("abcdef",), ("abcdefg",), ("abc", "xy"), ("abc", "xyz")]
  assert [encoder.is_cut(t) for t in cut] == [False, True, False, True]


def test_two_texts_need_room():
  with pytest.raises(ValueError, match="max_length is 2; expected at least 3"):
    texts.Encoder(BYTES, 2)


def test_encoders_survive_pickling():
  encoder = texts.Encoder(BYTES, 6)
  assert pickle.loads(pickle.dumps(encoder)) == encoder
