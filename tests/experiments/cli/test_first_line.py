"""The first line of a run whose numbers cannot be the paper's."""

import dataclasses

import pytest

from experiments import list as list_experiments
from experiments import train
from experiments.cli import registry
from tests.helpers.recipes import sums

TINY = "tests.helpers.recipes.sums"
FROM_NOTHING = "run: from random weights, where the recipe fine-tunes"


def first_line(capsys, *arguments):
  """Returns the first line of the output of a run."""
  assert train.main([TINY, "--mini", *map(str, arguments)]) == 0
  return capsys.readouterr().err.splitlines()[0]


def test_fine_tuning_from_nothing(run, tmp_path, capsys):
  options = ["--train.fine-tuning", "--workdir"]
  alone, tuned = tmp_path / "alone", tmp_path / "tuned"
  found = first_line(capsys, *options, alone)
  assert found.startswith(FROM_NOTHING)
  assert found.endswith("give --checkpoint PATH")
  # The same command, later, goes on with the same run.
  assert first_line(capsys, *options, alone).startswith(FROM_NOTHING)
  given = ["--checkpoint", run]
  assert FROM_NOTHING not in first_line(capsys, *options, tuned, *given)
  assert FROM_NOTHING not in first_line(capsys, *options, tuned)


def test_training_from_nothing_is_not_mentioned(tmp_path, capsys):
  found = first_line(capsys, "--workdir", tmp_path / "run")
  assert found.startswith("run: 6 steps")


@pytest.mark.parametrize("name", ["glue", "imagenet"])
def test_recipes_that_the_papers_fine_tune(name):
  found = {
    choice.recipe
    for choice in registry.choices(name)
    if choice.experiment.train.fine_tuning
  }
  if name == "glue":
    assert found == {c.recipe for c in registry.choices(name)} - {"mini"}
  else:
    assert found == {f"large_{x}" for x in ("fourier", "projected", "conv")}


def test_the_list_marks_them(tiny, monkeypatch, capsys):
  training = dataclasses.replace(sums.MINI.train, fine_tuning=True)
  tuned = dataclasses.replace(sums.MINI, train=training)
  monkeypatch.setitem(sums.EXPERIMENTS, "tuned", tuned)
  assert list_experiments.main([]) == 0
  found = capsys.readouterr().out.splitlines()
  assert "*: fine-tuned, begun with --checkpoint PATH" in found
  recipes = [line.split()[0] for line in found if "–" in line]
  assert recipes == ["plain", "wide", "tuned*", "mini"]
