"""The papers' tables: recipes, commands, parameters, states."""

import importlib
import json
import math
import pathlib
import shlex

import pytest
import tyro

from experiments import evaluate
from experiments import list as list_experiments
from experiments import train
from experiments.cli import arguments
from experiments.cli import commands
from experiments.cli import registry
from experiments.cli.papers import listing
from experiments.cli.papers import published
from experiments.cli.papers import rows
from experiments.runs import log as runs_log
import perceiver

ROWS = [
  (name, table, row)
  for name, table in published.TABLES.items()
  for row in table.rows
]
# Published counts that are not those of the models as described.
_NOT_OURS = {
  ("2103.03206:6", "1 at start"),  # docs/numbers.md T21
  ("2107.14795:7", "Perceiver (conv)"),  # that of the row with FF
  ("2107.14795:9", "Transformer"),  # T19: of the whole agent
  ("2107.14795:9", "Perceiver IO"),
  ("2107.14795:10", "Perceiver IO, mel"),  # unexplained
}


def parse(command):
  """Parses a command as its module does; returns what it would run."""
  python, option, name, *words = shlex.split(command)
  assert (python, option) == ("python", "-m")
  module = importlib.import_module(name)
  if name == "scripts.benchmark":
    return tyro.cli(module.Options, args=words, config=arguments._STYLE)
  if name == "experiments.list":
    return arguments.parse(module.List, words, module._PROG)
  if words[0] in module._COMMANDS:
    kind, _ = commands._load(module._COMMANDS[words[0]])
    return arguments.parse(kind, words[1:], module._PROG)
  kind = {train: train.Train, evaluate: evaluate.Evaluate}[module]
  choice = arguments.select(kind, words, module._PROG).choose()
  experiment = arguments.override(kind, choice, words, module._PROG)
  registry.check(experiment)
  return experiment


def test_every_row_has_a_command_or_a_reason():
  for name, table, row in ROWS:
    assert listing.commands(table, row) or row.note, (name, row.name)
    assert len(row.numbers) <= len(table.columns)


def test_every_command_parses():
  found = {
    command
    for _, table, row in ROWS
    for command in listing.commands(table, row)
  }
  assert len(found) > 80
  for command in found:
    assert parse(command)


def test_recipes_have_the_results_of_their_rows():
  compared = 0
  for name, table, row in ROWS:
    for cell in table.cells(row):
      experiment, _, recipe = cell.recipe.partition(" ")
      column = cell.column
      if experiment not in registry.names():
        continue
      choice = registry.choose(experiment, recipe)
      if not cell.number or not column.metric:
        continue
      (found,) = (
        result.paper
        for result in choice.result.row()
        if (result.metric, result.split) == (column.metric, column.split)
      )
      compared += 1
      # Of several tables, all have the same number, in one or two digits.
      digits = len(cell.number.partition(".")[2])
      assert round(found * column.scale, digits) == float(cell.number), (
        name,
        row,
      )
  assert compared > 150


def test_parameters_are_the_published_ones():
  counts, different = {}, set()
  for name, table, row in ROWS:
    recipes = [cell.recipe for cell in table.cells(row) if cell.recipe]
    if row.millions is None or not recipes:
      continue
    model = registry.choose(*recipes[0].split()).experiment.model
    if model not in counts:
      counts[model] = perceiver.create(model).num_parameters() / 1e6
    # Rounded, or cut off; 20 and more in all digits.
    digits = 1 if row.millions % 1 else 0
    if not abs(counts[model] - row.millions) < 10.0**-digits:
      different.add((name, row.name))
  assert different == _NOT_OURS
  assert len(counts) > 30


def add_run(folder, evaluations, **train):
  """Writes the log and the training settings of a run."""
  folder.mkdir()
  (folder / "config.json").write_text(json.dumps({"train": train}))
  counts = {"kind": "eval", "examples": 5, "expected": 5}
  lines = [
    json.dumps({"step": step, **counts, **row})
    for step, row in enumerate(evaluations, 1)
  ]
  (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")


def test_a_table_with_our_numbers(tmp_path, capsys):
  row = {"step": 60, "split": "imagenet2012 validation", "top_1": 0.7012}
  other = {"step": 80, "split": "my_images validation", "top_1": 1.0}
  run = tmp_path / "imagenet-perceiver_unshared"
  add_run(run, [row, other], steps=90)
  options = ["--table", "2103.03206:7", "--runs", str(tmp_path)]
  assert list_experiments.main(options) == 0
  title, _, none, first, shared, second = capsys.readouterr().out.splitlines()
  assert title == "2103.03206 table 7: sharing of weights"
  assert none.split() == ["none", "top-1", "72.9", "70.12", "step", "80/90"]
  assert first.strip() == (
    "python -m experiments.train imagenet --recipe perceiver_unshared "
    "--data.source imagenet2012:DIR"
  )
  assert shared.split() == ["shared", "top-1", "78.0", "–", "not", "run"]
  assert second.split()[-3] == "perceiver"


def number_of(row, table, runs):
  """Returns our number of a row of one column."""
  (line,) = (
    line.removeprefix(row)
    for line in listing.describe(table, runs).splitlines()
    if line.startswith(f"{row} ")
  )
  return line.split()[2]


def test_every_table_is_printed_before_and_after_its_runs(tmp_path):
  for name, table in published.TABLES.items():
    listing.describe(name, tmp_path)
    for recipe in {c.recipe for row in table.rows for c in table.cells(row)}:
      workdir = listing._run(recipe)
      if workdir and not (tmp_path / workdir.name).exists():
        add_run(tmp_path / workdir.name, [{"split": "other", "loss": 1.0}])
    assert published.source(name) in listing.describe(name, tmp_path)


@pytest.mark.parametrize(
  ("best", "ours"), [(None, "80.00"), ("top_1", "90.00"), ("-loss", "70.00")]
)
def test_runs_that_keep_their_best_model_report_it(tmp_path, best, ours):
  numbers = [(0.7, 1.0), (0.9, 2.0), (math.nan, math.nan), (0.8, 3.0)]
  rows = [
    {"split": "modelnet40 test", "top_1": top_1, "loss": loss}
    for top_1, loss in numbers
  ]
  rows.append({"split": "synthetic test", "top_1": 1.0, "loss": 0.0})
  add_run(tmp_path / "modelnet40", rows, best_metric=best)
  assert number_of("Perceiver", "2103.03206:4", tmp_path) == ours


def test_averages_of_one_model_are_ours(tmp_path):
  row = {"split": "glue 8 tasks dev", "score": 0.8123}
  add_run(tmp_path / "glue", [row])
  add_run(tmp_path / "masked_language", [row])
  average = lambda row: number_of(row, "2107.14795:2", tmp_path)
  assert average("Multitask query") == "81.23"
  assert average("Shared input token") == "–"
  assert average("Single-task query") == "–"  # of eight models
  (paper,) = (
    result
    for result in published.results("glue")["multitask"].row()
    if result.metric == "score"
  )
  assert (paper.paper, paper.source) == (0.8179, "2107.14795 table 14")


def test_results_on_other_data_are_ours(tmp_path):
  run = tmp_path / "optical_flow"
  add_run(run, [{"split": "synthetic evaluation", "epe": 0.5}])
  for step, split, numbers in (
    (1, "sintel_clean evaluation", {"epe": 2.0}),
    (2, "sintel_clean evaluation", {"epe": 1.9}),
    (2, "kitti_2015 evaluation", {"epe": 7.0, "epe_by_image": 5.5}),
    (2, "sintel_final evaluation, not the official one", {"epe": 1.0}),
  ):
    values = {"split": split, "examples": 1, "expected": 1, **numbers}
    assert runs_log.add_evaluation(run, step, values)
  own = {"split": "synthetic evaluation", "epe": 0.1}
  assert not runs_log.add_evaluation(run, 2, own)
  lines = listing.describe("2107.14795:3", tmp_path).splitlines()
  (first,) = (i for i, x in enumerate(lines) if x.startswith("Perceiver IO "))
  found = [line.split() for line in lines[first : first + 3]]
  ours = {
    label: next(w[w.index(label) + 2] for w in found if label in w)
    for label in ("sintel_clean", "sintel_final", "kitti_2015")
  }
  assert ours == {
    "sintel_clean": "1.90",
    "sintel_final": "–",
    "kitti_2015": "5.50",
  }


def test_an_unknown_table_is_refused(capsys):
  assert list_experiments.main(["--table", "2103.03206:99"]) == 2
  assert "There are: 2103.03206:1," in capsys.readouterr().err


@pytest.fixture
def tiny_table(tiny, monkeypatch, tmp_path):
  """A table of two tiny recipes, in a folder of its own."""
  monkeypatch.chdir(tmp_path)
  column = rows.Column("top-1", "top_1", "tiny eval")
  table = rows.Table(
    "tiny",
    (column,),
    tiny,
    """
    one   | | 90.0 | plain
    other | | -
      | wide | made up
    third | | 50.0 | | quoted
    """,
  )
  monkeypatch.setitem(published.TABLES, "0000.00000:1", table)
  command = "experiments.train {experiment} --recipe {recipe} --train.steps 8"
  command += " --data.data-dir DIR"
  monkeypatch.setitem(published.COMMANDS, tiny, (command,))
  return "0000.00000:1"


def test_a_table_is_repeated(tiny_table, capsys):
  assert train.main(["table", tiny_table]) == 2
  assert "expected NAME=PATH for ['DIR']" in capsys.readouterr().err
  assert train.main(["table", tiny_table, "/data"]) == 2
  assert "folders are ['/data']" in capsys.readouterr().err
  assert train.main(["table", tiny_table, "DIR=/a b"]) == 0
  out = capsys.readouterr().out
  one, other, third = (
    line.split()
    for line in out.splitlines()
    if line.startswith(("one", "other", "third"))
  )
  assert (one[2], one[-2:]) == ("90.0", ["step", "8/8"])
  assert 0 <= float(one[3]) <= 100
  assert other[2:5] == ["–", other[3], "step"]
  assert other[-2:] == ["made", "up"]
  assert third == [
    "third",
    "top-1",
    "50.0",
    "–",
    *["quoted:", "trained", "by", "others"],
  ]
  config = pathlib.Path("runs/tiny-wide/config.json")
  assert json.loads(config.read_text())["data"]["data_dir"] == "/a b"


def test_a_command_that_fails_does_not_stop_the_others(tiny_table, capsys):
  pathlib.Path("runs").mkdir()
  pathlib.Path("runs/tiny").write_text("no folder")
  assert train.main(["table", tiny_table, "DIR=x"]) == 1
  captured = capsys.readouterr()
  assert "These commands failed" in captured.err
  assert "--recipe plain" in captured.err.partition("failed")[2]
  assert "--recipe wide" not in captured.err.partition("failed:")[2]
  assert "step 8/8" in captured.out
