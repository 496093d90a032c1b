"""Tunes in other keys."""

import numpy as np
import pytest

from experiments.generation.tunes import data as tunes_data
from experiments.generation.tunes import notes
from experiments.generation.tunes import transposing

TUNE = b"M: 3/4\nL: 1/8\nK: E\n=c2B,^^F | z_bb'e/ B,,3-\n"


@pytest.mark.parametrize(
  ("key", "expected", "semitones"),
  [
    (b"E", "=c2B,^^F | z_bb'e/ B,,3-", 0),
    (b"F", "_d2C^G | z_c'c''f/ C,3-", 1),
    (b"Eb", "_c2B,^F | z__bb'e/ B,,3-", -1),
    (b"C", "_A2G,^D | z_gg'c/ G,,3-", -4),
    (b"G", "_e2D^A | z_d'd''g/ D,3-", 3),
  ],
)
def test_all_notes_move_by_the_keys_interval(key, expected, semitones):
  moved = transposing.transposed(TUNE, key)
  fields = b"M: 3/4\nL: 1/8\nK: " + key
  assert moved.decode() == f"{fields.decode()}\n{expected}\n"
  steps = [
    after.pitch - before.pitch
    for before, after in zip(
      notes.parse(TUNE.decode()), notes.parse(moved.decode()), strict=True
    )
  ]
  assert steps == [semitones] * len(steps)
  assert transposing.transposed(moved, b"E") == TUNE


@pytest.mark.parametrize(
  ("tune", "key"),
  [
    (b"K: Dm\ncde\n", b"G"),
    (b"cde\n", b"G"),
    (b"K: C\n^^B\n", b"G"),  # three signs
    (b"", b"C"),
  ],
)
def test_tunes_that_stay_as_they_are(tune, key):
  assert transposing.transposed(tune, key) == tune


def test_copies_have_keys_as_often():
  tunes = [b"K: C\nceg%d\n" % i for i in range(300)] + [b"K: Bb\nc\n"] * 100
  first, second = transposing.copies(tunes, 2)
  assert first != second
  assert transposing.copies(tunes, 3)[:2] == [first, second]
  for copy in (first, second):
    assert len(copy) == 400
    flat = np.mean([b"K: Bb" in tune for tune in copy])
    assert 0.18 < flat < 0.32
  assert transposing.copies([b"abc"], 1) == [[b"abc"]]
  assert transposing.copies([], 1) == [[]]


def test_copies_are_for_training_only():
  source = tunes_data.Source(tunes_data.Corpus.SYNTHETIC)
  plain, copied = (
    tunes_data.splits(
      tunes_data.DataConfig(source=source, transposed_copies=number), 64, 32
    )
    for number in (0, 2)
  )
  assert len(copied[0].source) > 2.9 * len(plain[0].source)
  assert len(copied[1].source) == len(plain[1].source)
  with pytest.raises(ValueError, match="transposed_copies is -1"):
    tunes_data.DataConfig(transposed_copies=-1)
