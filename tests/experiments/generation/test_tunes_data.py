"""Folk tunes: files, variants, and the table of baselines."""

import json
import zipfile

import pytest

from experiments import evaluate
from experiments import prepare
from experiments.generation import baselines
from experiments.generation.tunes import data as tunes_data
from tests.helpers import commands
from tests.helpers import tiny_archives

ABC = """
X:1
T: A Song
N: A0004A
O: somewhere
M: 3/4
L: 1/4
K: G
G2 | A2B2c2

X:2
T: Another
N: A0004B
M: none
K: C
cde

X:3
T: a song!
N: B7
K: C
gfe

X:4
T: Alone
N: C1
K: C
"""


def test_fields_and_notes_of_an_abc_file():
  found = tunes_data.parse(ABC)
  assert len(found) == 3  # the last one has no notes
  assert found[0] == (
    b"T: A Song\nN: A0004A\nM: 3/4\nL: 1/4\nK: G\nG2 | A2B2c2\n"
  )


def test_variants_are_in_one_group():
  tunes = tunes_data.parse(ABC)
  assert tunes_data.groups(tunes) == [0, 0, 0]  # by number, and by title
  melody = "CDEFGABcdefgab"
  one = f"T: x\nK: C\n{melody}\n".encode()
  higher = f"T: y\nK: D\n{melody[1:]}{melody[:1]}a\n".encode()
  other = f"T: z\nK: D\n{melody[::-1]}\n".encode()
  assert tunes_data.groups([one, other, higher]) == [0, 1, 0]


def test_tunes_of_an_archive(tmp_path, capsys, monkeypatch):
  archive, output = tmp_path / "music21.whl", tmp_path / "tunes.jsonl"
  with zipfile.ZipFile(archive, "w") as file:
    file.writestr("music21/corpus/essenFolksong/a.abc", ABC)
    file.writestr("music21/corpus/essenFolksong/same.abc", ABC)
    file.writestr("music21/corpus/other/b.abc", ABC)
  arguments = ("tunes", archive, output)
  error = commands.command(capsys, prepare.main, *arguments, code=1)
  assert "expected dc3309498c4c" in error
  package = tiny_archives.package(archive.read_bytes())
  monkeypatch.setattr(tunes_data, "PACKAGE", package)
  out = commands.command(capsys, prepare.main, *arguments)
  assert "3 tunes" in out
  texts = [json.loads(line)["text"] for line in output.read_text().splitlines()]
  assert texts[2].startswith("T: a song!")
  (tmp_path / "abc").mkdir()
  arguments = ("tunes", tmp_path / "abc", output)
  error = commands.command(capsys, prepare.main, *arguments, code=1)
  assert "expected a wheel of music21" in error
  (tmp_path / "abc" / "one.abc").write_text(ABC)
  assert "3 tunes" in commands.command(capsys, prepare.main, *arguments)


def test_sides_share_no_tune_and_have_no_names():
  source = tunes_data.Source(tunes_data.Corpus.SYNTHETIC)
  train, held_out = tunes_data.documents(source)
  assert train
  assert not set(train) & set(held_out)
  assert not any(b"T:" in tune for tune in train)


def test_baselines_learn_from_the_training_side(capsys):
  repeated = [b"abcabcabcabc" * 20]
  table = baselines.table(repeated, repeated)
  assert table["Witten-Bell, order 2"] < 0.2
  assert table["xz"] < 1
  uniform = baselines.witten_bell([b""], [bytes(range(256))], 2)
  assert uniform == 8
  out = commands.command(
    *(capsys, evaluate.main, "generation-baselines", "tunes"),
    *("--source", "synthetic"),
  )
  assert "Witten-Bell, order 6" in out
  with pytest.raises(SystemExit, match="2"):
    evaluate.main(["generation-baselines", "images"])
