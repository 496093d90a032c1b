"""Notes of tunes in ABC notation, and pictures of samples."""

from fractions import Fraction

import numpy as np
from PIL import Image

from experiments.generation import plots
from experiments.generation.tunes import notes

TUNE = "M: 3/4\nL: 1/4\nK: Gm\nG2 ^F | F z e'/ B,3/2\n"


def test_pitches_and_times():
  found = notes.parse(TUNE)
  assert [note.pitch for note in found] == [67, 66, 65, 87, 58]
  assert [note.start for note in found] == [
    Fraction(*x) for x in ((0, 4), (2, 4), (3, 4), (5, 4), (11, 8))
  ]
  assert found[-1].length == Fraction(3, 8)


def test_keys():
  pitches = lambda key: [n.pitch for n in notes.parse(f"K: {key}\nFCB")]
  assert pitches("C") == [65, 60, 71]
  assert pitches("D") == [66, 61, 71]
  assert pitches("Bb") == [65, 60, 70]
  assert pitches("D mix") == [66, 60, 71]
  assert pitches("nonsense") == [65, 60, 71]


def test_midi_has_each_note_twice(tmp_path):
  path = tmp_path / "tune.mid"
  notes.write_midi(path, notes.parse(TUNE))
  content = path.read_bytes()
  assert content[:14] == bytes.fromhex("4d546864000000060000000101e0")
  assert int.from_bytes(content[18:22], "big") == len(content) - 22
  # The first note starts at once and ends after two quarters, 960 ticks.
  assert content[22:31] == bytes.fromhex("00904350" + "8740" + "804350")


def test_pictures(tmp_path):
  notes.plot(tmp_path / "notes.png", [notes.parse(TUNE), []])
  with Image.open(tmp_path / "notes.png") as picture:
    assert picture.size[0] == 1080
  images = np.arange(9 * 4 * 4).astype(np.uint8).reshape(9, 4, 4, 1)
  plots.sheet(tmp_path / "sheet.png", images)
  found = np.asarray(Image.open(tmp_path / "sheet.png"))
  assert found.shape == (24, 96)
  np.testing.assert_array_equal(found[12:24:3, :12:3], images[8, ..., 0])
