"""Training, evaluation and report of SMAX from the command line."""

import dataclasses

import pytest

from experiments import evaluate
from experiments.cli import registry
from experiments.starcraft import configs as starcraft_configs
from experiments.starcraft.smax import configs
from tests.helpers import commands

RECIPE = "tests.helpers.recipes.smax"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """The folder of a finished run."""
  return commands.finished(tmp_path_factory, RECIPE)


def test_training_writes_metrics_and_figures(workdir):
  last = commands.rows(workdir)[-1]
  assert (last["examples"], last["expected"]) == (10, 10)
  assert 0 <= last["win_rate"] <= 1
  assert last["heuristic_win_rate"] == pytest.approx(0.5, abs=0.2)
  figures = sorted(path.name for path in (workdir / "figures").iterdir())
  assert figures == ["battles.png", "curve.png"]


def test_evaluation_repeats_the_numbers_of_training(workdir, tmp_path, capsys):
  page = tmp_path / "page"
  arguments = (RECIPE, "--checkpoint", workdir, "--report", page)
  out = commands.command(capsys, evaluate.main, *arguments)
  row = commands.rows(workdir)[-1]
  assert "10 of 10 examples of SMAX 3m held out" in out
  for name in ("action_accuracy", "win_rate", "heuristic_win_rate"):
    assert f"{name} {row[name]:.4f}" in out
  assert "battles.png" in (page / "index.html").read_text()


def test_the_recipes():
  """Those of `starcraft`'s mini battles, for another game."""
  found = {x.recipe: x.experiment for x in registry.choices("smax")}
  assert list(found) == ["perceiver_io", "transformer", "mini"]
  assert found["mini"] == found["perceiver_io"]
  like = starcraft_configs.EXPERIMENTS["mini_transformer"]
  assert found["transformer"].model.encoder == like.model.encoder
  assert found["transformer"].train.steps == found["mini"].train.steps


def test_units_must_fit_the_model():
  data = dataclasses.replace(configs.MINI.data, scenario="27m_vs_30m")
  with pytest.raises(ValueError, match="num_slots is 32; expected at least"):
    dataclasses.replace(configs.MINI, data=data)
