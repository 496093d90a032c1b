"""Training, evaluation and report from the command line."""

import dataclasses
import re

import pytest

from experiments import evaluate
from experiments import train
from experiments.cli import registry
from experiments.runs import plots as runs_plots
from experiments.starcraft import configs
from experiments.starcraft.game import units
import perceiver
from tests.helpers import commands
from tests.helpers import noise
from tests.helpers.recipes import starcraft as tiny

RECIPE = "tests.helpers.recipes.starcraft"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """The folder of a finished run."""
  return commands.finished(tmp_path_factory, RECIPE)


def test_training_writes_metrics_and_figures(workdir):
  rows = commands.rows(workdir)
  assert {row["step"] for row in rows if row["kind"] == "eval"} == {6, 12}
  last = rows[-1]
  assert (last["examples"], last["expected"]) == (10, 10)
  assert {"loss", "action_accuracy", "win_rate", "expert_score"} <= set(last)
  figures = sorted(path.name for path in (workdir / "figures").iterdir())
  assert figures == ["attention.png", "battles.png", "curve.png"]


def test_kinds_of_units_and_shares_of_attention_are_named(
  tmp_path, monkeypatch
):
  figures = []
  monkeypatch.setattr(runs_plots, "save", lambda x, *_: figures.append(x))
  task = tiny.MINI.task()
  task.plots(noise.variables(task.model), tmp_path)
  kinds = [kind.name for kind in units.KINDS]
  for figure in figures:
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == kinds
    runs_plots.pyplot().close(figure)
  title = figures[1].axes[0].get_title()
  assert re.fullmatch(r"latent \d+, at most \d+%", title)


def test_evaluation_repeats_the_numbers_of_training(workdir, tmp_path, capsys):
  page = tmp_path / "page"
  arguments = (RECIPE, "--checkpoint", workdir, "--report", page)
  out = commands.command(capsys, evaluate.main, *arguments)
  row = commands.rows(workdir)[-1]
  assert "10 of 10 examples of battles held out" in out
  for name in ("action_accuracy", "win_rate"):
    assert f"{name} {row[name]:.4f}" in out
  text = (page / "index.html").read_text()
  assert all(f"{n}.png" in text for n in ("attention", "battles", "curve"))


def test_a_model_file_gives_the_numbers_of_its_run(workdir, capsys):
  """The policy's config is the experiment's own, not one of the library."""
  path = workdir / "model.safetensors"
  of_folder, of_file = (
    commands.command(capsys, evaluate.main, RECIPE, "--checkpoint", where)
    for where in (workdir, path)
  )
  assert of_folder.splitlines()[1:] == of_file.splitlines()
  model, _ = perceiver.load(path, tiny.MINI.model)
  assert model.config == tiny.MINI.model
  with pytest.raises(perceiver.CheckpointError, match="what model it holds"):
    perceiver.load(path)


def test_training_of_a_transformer(tmp_path):
  folder = tmp_path / "run"
  arguments = ["--recipe", "transformer", "--train.steps", "3"]
  assert train.main([RECIPE, *arguments, "--workdir", str(folder)]) == 0
  figures = sorted(path.name for path in (folder / "figures").iterdir())
  assert figures == ["battles.png", "curve.png"]


def test_the_recipes():
  """2107.14795 table 9 and appendix F: 512 entities, three encoders."""
  found = [choice.recipe for choice in registry.choices("starcraft")]
  assert found == [
    "perceiver_io_32",
    "perceiver_io_64",
    "transformer",
    "mini_transformer",
    "mini",
  ]
  for recipe in found[:3]:
    experiment = configs.EXPERIMENTS[recipe]
    assert experiment.model.encoder.entities.num_slots == 512
    assert experiment.data.scenario.num_slots == 512
  latents = [
    configs.EXPERIMENTS[recipe].model.encoder.encoder.encoder.num_latents
    for recipe in found[:2]
  ]
  assert latents == [32, 64]


def test_mini_recipes_differ_in_encoder_and_steps_alone():
  other = configs.EXPERIMENTS["mini_transformer"]
  encoding = dataclasses.replace(
    other.model.encoder, encoder=configs.MINI.model.encoder.encoder
  )
  model = dataclasses.replace(other.model, encoder=encoding)
  train = dataclasses.replace(other.train, steps=8000)
  assert dataclasses.replace(other, model=model, train=train) == configs.MINI


def test_battles_must_fit_the_model():
  scenario = dataclasses.replace(configs.MINI.data.scenario, num_slots=100)
  data = dataclasses.replace(configs.MINI.data, scenario=scenario)
  with pytest.raises(ValueError, match=r"num_slots is 100; expected the model"):
    dataclasses.replace(configs.MINI, data=data)


def test_the_comparison(workdir, tmp_path, capsys, monkeypatch):
  other = tiny.EXPERIMENTS["transformer"]
  monkeypatch.setattr(configs, "EXPERIMENTS", {"transformer": other})
  monkeypatch.setattr(configs, "MINI", tiny.MINI)
  assert evaluate.main(["starcraft-encoders", "--runs", str(workdir)]) == 0
  header, *rows = (
    line.split() for line in capsys.readouterr().out.splitlines()
  )
  assert [row[0] for row in rows] == ["transformer", "mini"]
  assert float(rows[0][3]) > 0
  cost = {name: float(rows[0][header.index(name)]) for name in header[2:5]}
  assert 0 < cost["GFLOPs"] < cost["policy_GFLOPs"]
  assert set(rows[0][5:]) == {"–"}
  row = commands.rows(workdir)[-1]
  assert rows[1][header.index("win_rate")] == f"{row['win_rate']:.3f}"
  assert evaluate.main(["starcraft-encoders", "--runs", str(tmp_path)]) == 1
  assert "config.json cannot be read" in capsys.readouterr().err
  (tmp_path / "config.json").write_text("{}")
  assert evaluate.main(["starcraft-encoders", "--runs", str(tmp_path)]) == 1
  assert "is no run of starcraft" in capsys.readouterr().err
