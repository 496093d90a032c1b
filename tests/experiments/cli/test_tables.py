"""The papers' tables: recipes, commands, parameters, states."""

import json
import shlex

import pytest

from experiments import evaluate
from experiments import list as list_experiments
from experiments import train
from experiments.cli import arguments
from experiments.cli import registry
from experiments.cli.papers import listing
from experiments.cli.papers import published
import perceiver

ROWS = [
  (name, row) for name, table in published.TABLES.items() for row in table.rows
]
# Published counts that are not those of the model as described.
_NOT_OURS = {
  ("2107.14795:7", "Perceiver (conv)"),
  ("2103.03206:6", "1 at the start"),  # docs/numbers.md T21
}


def parse(command):
  """Parses a command as its module does; returns what it would run."""
  python, option, module, *words = shlex.split(command)
  assert (python, option) == ("python", "-m")
  kind, prog = {
    "experiments.train": (train.Train, train._PROG),
    "experiments.evaluate": (evaluate.Evaluate, evaluate._PROG),
  }[module]
  choice = arguments.select(kind, words, prog).choose()
  return arguments.override(kind, choice, words, prog)


def test_every_row_has_a_command_or_a_reason():
  for name, row in ROWS:
    found = listing.commands(published.TABLES[name], row)
    assert found or row.note, (name, row.name)
    assert len(row.numbers) <= len(published.TABLES[name].columns)


def test_every_command_parses():
  commands = {
    command
    for name, row in ROWS
    for command in listing.commands(published.TABLES[name], row)
  }
  for command in commands:
    registry.check(parse(command))


def test_recipes_and_their_results():
  for name, row in ROWS:
    table = published.TABLES[name]
    for cell in table.cells(row):
      if not cell.recipe:
        continue
      choice = registry.choose(*cell.recipe.split())
      if cell.number is None or not cell.column.metric:
        continue
      column = cell.column
      (found,) = (
        result
        for result in choice.result.row()
        if (result.metric, result.split) == (column.metric, column.split)
      )
      assert found.paper == pytest.approx(cell.number / column.scale)


def test_parameters_are_the_published_ones():
  counts = {}
  for name, row in ROWS:
    if row.millions is None or (name, row.name) in _NOT_OURS:
      continue
    cell = next(published.TABLES[name].cells(row))
    model = registry.choose(*cell.recipe.split()).experiment.model
    if model not in counts:
      counts[model] = perceiver.create(model).num_parameters()
    # Rounded, or cut off.
    digits = len(f"{row.millions}".partition(".")[2])
    assert abs(counts[model] / 1e6 - row.millions) < 10.0**-digits, row


def test_a_table_with_our_numbers(tmp_path, capsys):
  run = tmp_path / "imagenet-perceiver_unshared"
  run.mkdir()
  (run / "config.json").write_text('{"train": {"steps": 90}}')
  row = {"step": 60, "kind": "eval", "top_1": 0.7012, "examples": 5}
  row |= {"expected": 5, "split": "imagenet2012 validation"}
  other = row | {"step": 80, "split": "my_images validation", "top_1": 1.0}
  lines = "\n".join(map(json.dumps, (row, other)))
  (run / "metrics.jsonl").write_text(f"{lines}\n")
  options = ["--table", "2103.03206:7", "--runs", str(tmp_path)]
  assert list_experiments.main(options) == 0
  title, _, none, first, shared, second = capsys.readouterr().out.splitlines()
  assert title == "2103.03206 table 7: sharing of weights"
  assert none.split() == ["none", "top-1", "72.9", "70.12", "step", "80/90"]
  assert first.strip() == (
    "python -m experiments.train imagenet --recipe perceiver_unshared "
    "--data.data-dir DIR"
  )
  assert shared.split() == ["shared", "top-1", "78.0", "–", "not", "run"]
  assert second.split()[-3] == "perceiver"


def test_an_unknown_table_is_refused(capsys):
  assert list_experiments.main(["--table", "2103.03206:99"]) == 2
  assert "There are: 2103.03206:1," in capsys.readouterr().err
