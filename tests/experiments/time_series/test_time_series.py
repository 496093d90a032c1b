"""Series: files, values left out, training, and tables of shares."""

import dataclasses
import io
import zipfile

import numpy as np
import pytest

from experiments import evaluate
from experiments import predict
from experiments import prepare
from experiments import train
from experiments.data import files
from experiments.time_series import data
from experiments.time_series import irregular
from experiments.time_series import predict as series_predict
from experiments.time_series import prepare as prepare_vowels
from experiments.time_series import ts_files
from tests.helpers import commands
from tests.helpers import tiny_archives
from tests.helpers.recipes import series as tiny

TINY = "tests.helpers.recipes.series"
FILE = """# a comment
@problemName Tiny
@timeStamps false
@classLabel true low high
@data
1,2,3:4,5,6:high
1,?,3,5:7,8,NaN,0.5:low
"""
SERIES = ts_files.Series(
  np.arange(20, dtype=np.float32).reshape(10, 2),
  np.arange(10, dtype=np.float32),
  1,
)


@pytest.fixture(scope="module", params=["classes", "interpolation"])
def workdir(request, tmp_path_factory):
  """The folder of a finished run."""
  folder = tmp_path_factory.mktemp("run")
  arguments = [TINY, "--recipe", request.param, "--workdir", str(folder)]
  assert train.main(arguments) == 0
  return folder


# ----------------------------------------------------------------------- files


def write(folder, text=FILE):
  for part in ("TRAIN", "TEST"):
    (folder / f"Tiny_{part}.ts").write_text(text)
  return folder / "Tiny_TRAIN.ts"


def test_a_file_of_series(tmp_path):
  found = ts_files.read(write(tmp_path))
  assert (found.problem, found.class_names) == ("Tiny", ("low", "high"))
  first, second = found.series
  assert (first.label, second.label) == (1, 0)
  assert first.values.tolist() == [[1, 4], [2, 5], [3, 6]]
  # Steps without all values are left out, and leave a gap.
  assert second.values.tolist() == [[1, 7], [5, 0.5]]
  assert second.times.tolist() == [0, 3]
  assert (found.num_channels, found.longest) == (2, 3)


@pytest.mark.parametrize(
  ("old", "new", "message"),
  [
    ("@data", "data", "no line @data"),
    ("true low high", "false", "@classLabel is 'false'; expected true"),
    ("Stamps false", "Stamps true", "@timeStamps is true"),
    ("6:high", "6:other", "line 6: the class is 'other'; expected one of low"),
    ("5,6", "5", "line 6: channels have 2 and 3 values"),
    ("1,2", "1,x", "line 6: could not convert"),
    ("1,?,3,5:", "", "series of 1 and 2 channels"),
    (FILE[FILE.index("1,2") :], "", "no series after @data"),
  ],
)
def test_damaged_files_are_refused(tmp_path, old, new, message):
  assert old in FILE
  with pytest.raises(files.InputError, match=message):
    ts_files.read(write(tmp_path, FILE.replace(old, new)))


def test_a_folder_of_series(tmp_path):
  source = data.Source(data.Kind.TS, tmp_path)
  config = data.DataConfig(source=source)
  options = {"size": 4, "with_queries": False}
  with pytest.raises(files.InputError, match=r"0 files \*_TRAIN\.ts"):
    data.splits(config, channels=2, **options)
  write(tmp_path)
  learned, evaluated = data.splits(config, channels=2, **options)
  assert (learned.name, evaluated.name) == ("Tiny train", "Tiny test")
  with pytest.raises(files.InputError, match=r"--model\.value-channels"):
    data.splits(config, channels=3, **options)
  (tmp_path / "Tiny_TEST.ts").write_text(FILE.replace("low", "deep"))
  with pytest.raises(files.InputError, match="expected the same"):
    data.splits(config, channels=2, **options)


def test_series_of_the_package(tmp_path, monkeypatch, capsys):
  archive = io.BytesIO()
  with zipfile.ZipFile(archive, "w") as opened:
    for part in ("TRAIN", "TEST"):
      name = f"JapaneseVowels_{part}.ts"
      opened.writestr(f"aeon/datasets/data/JapaneseVowels/{name}", FILE)
  path = tmp_path / "aeon.whl"
  path.write_bytes(archive.getvalue())
  package = tiny_archives.package(archive.getvalue())
  monkeypatch.setattr(prepare_vowels, "PACKAGE", package)
  out = commands.command(
    capsys, prepare.main, "japanese-vowels", path, tmp_path / "series"
  )
  assert "2 training and 2 test series" in out
  assert len(list((tmp_path / "series").iterdir())) == 2


def test_full_recipes_need_series(capsys):
  assert train.main([TINY, "--recipe", "files"]) == 1
  error = capsys.readouterr().err
  assert "pip download --no-deps aeon" in error
  assert "prepare japanese-vowels ARCHIVE DIR" in error


# -------------------------------------------------------------------- left out


@pytest.mark.parametrize("share", [0.0, 0.5, 0.75, 0.99])
def test_values_are_left_out(share):
  generator = np.random.default_rng(0)
  kept = data.leave_out(SERIES, share, data.Positions.TIME, generator)
  count = min(round(10 * share), 9)
  assert len(kept.left_out) == count
  both = np.concatenate([kept.positions, kept.left_out_positions])
  assert sorted(both.tolist()) == list(range(10))
  np.testing.assert_array_equal(kept.values[:, 0], 2 * kept.positions)
  np.testing.assert_array_equal(
    kept.left_out[:, 0], 2 * kept.left_out_positions
  )


def test_an_index_has_no_gaps():
  generator = np.random.default_rng(0)
  kept = data.leave_out(SERIES, 0.5, data.Positions.INDEX, generator)
  assert kept.positions.tolist() == [0, 1, 2, 3, 4]
  times = kept.left_out[:, 0] / 2
  before = (kept.values[:, 0] / 2 < times[:, None]).sum(axis=1)
  np.testing.assert_array_equal(kept.left_out_positions, before - 0.5)


def test_evaluation_leaves_out_the_same_values():
  config = data.DataConfig(source=tiny.MINI.data.source, evaluated_left_out=0.5)
  learned, evaluated = data.splits(
    config, size=40, channels=2, with_queries=True
  )
  assert "50 % left out" in evaluated.name

  def values(split, seed):
    generator = np.random.default_rng(seed)
    return split.transform(split.source[3], generator)["values"]

  np.testing.assert_array_equal(values(evaluated, 0), values(evaluated, 1))
  assert np.any(values(learned, 0) != values(learned, 1))


def test_held_out_series_are_not_trained_on():
  config = data.DataConfig(source=tiny.MINI.data.source)
  everything, _ = data.sets(config, 2)
  kept, held_out = data.sets(
    data.DataConfig(source=tiny.MINI.data.source, hold_out=True), 2
  )
  assert (len(kept.series), len(held_out.series)) == (400, 200)
  assert {id(each.values) for each in kept.series}.isdisjoint(
    id(each.values) for each in held_out.series
  )
  assert len(everything.series) == 600


def test_linear_interpolation_of_a_line_is_exact(tmp_path):
  line = ",".join(map(str, range(10)))
  write(tmp_path, FILE[: FILE.index("1,2")] + f"{line}:{line}:low\n")
  experiment = tiny.EXPERIMENTS["interpolation"]
  config = data.DataConfig(source=data.Source(data.Kind.TS, tmp_path))
  experiment = dataclasses.replace(experiment, data=config)
  # Neither end is left out.
  assert 0 < np.random.default_rng(0).permutation(10)[0] < 9
  assert irregular.interpolated_linearly(experiment, 0.1) < 1e-6


# -------------------------------------------------------------------- commands


def test_training_leaves_numbers_and_pictures(workdir):
  last = commands.rows(workdir)[-1]
  assert (last["examples"], last["expected"]) == (300, 300)
  names = {path.name for path in (workdir / "figures").iterdir()}
  assert names in ({"curve.png", "confusion.png"}, {"curve.png", "series.png"})


def test_shares_are_compared(workdir, capsys):
  out = commands.command(
    capsys, evaluate.main, "irregular-series", workdir, "--shares", 0.25, 0.5
  )
  what, header, _, mine, baseline = out.splitlines()[-5:]
  assert "25 % left out" in header
  assert mine.split("|")[1:3] != baseline.split("|")[1:3]
  numbers = [float(x) for x in mine.split("|")[3:5]]
  if what == "accuracy, %":
    assert all(0 <= number <= 100 for number in numbers)
  else:
    assert "root mean square error" in what
    assert numbers[0] > 0


def test_series_of_ones_own(workdir, tmp_path, capsys):
  path = tmp_path / "mine.csv"
  # Days since a distant past, in no order.
  path.write_text("day,a,b\n700003.5,0.1,1\n700001,0.5,2\n700002.25,0,3\n")
  arguments = ["series", path, "--checkpoint", workdir]
  is_classifier = (workdir / "figures" / "confusion.png").exists()
  more = () if is_classifier else ("--times", 700001.5, 700003)
  out = commands.command(capsys, predict.main, *arguments, *more)
  if is_classifier:
    assert "period of" in out
    assert len(out.splitlines()) == 4
  else:
    first, second = out.splitlines()[-2:]
    assert not np.allclose(
      [float(x) for x in first.split()[1:]],
      [float(x) for x in second.split()[1:]],
    )
  wrong = ("--times", 1) if is_classifier else ()
  error = commands.command(capsys, predict.main, *arguments, *wrong, code=2)
  assert "a classifier takes no --times" in error


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("t,a,b\n", "no line after the names"),
    ("t,a,b\n1,2\n", "line 2: 2 numbers; expected a time"),
    ("t,a,b\n1,2,x\n", "line 2: could not convert"),
    ("t,a,b\n1,2,inf\n", "line 2: 3 numbers; expected a time"),
  ],
)
def test_damaged_series_of_ones_own(tmp_path, text, message):
  path = tmp_path / "mine.csv"
  path.write_text(text)
  with pytest.raises(files.InputError, match=message):
    series_predict.read(path, 2)
