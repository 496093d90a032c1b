"""Training, evaluation and report, from the command line."""

import dataclasses

import pytest

from experiments import evaluate
from experiments import train
from experiments.cli import registry
from experiments.starcraft import configs
import perceiver
from tests.helpers import commands
from tests.helpers.recipes import starcraft as toy

TOY = "tests.helpers.recipes.starcraft"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """The folder of a finished run."""
  return commands.finished(tmp_path_factory, TOY)


def test_training_leaves_numbers_and_pictures(workdir):
  rows = commands.rows(workdir)
  assert {row["step"] for row in rows if row["kind"] == "eval"} == {6, 12}
  last = rows[-1]
  assert (last["examples"], last["expected"]) == (10, 10)
  assert {"loss", "order_accuracy", "win_rate", "teacher_score"} <= set(last)
  figures = sorted(path.name for path in (workdir / "figures").iterdir())
  assert figures == ["attention.png", "battles.png", "curve.png"]


def test_evaluation_finds_what_training_found(workdir, tmp_path, capsys):
  page = tmp_path / "page"
  arguments = (TOY, "--checkpoint", workdir, "--report", page)
  out = commands.command(capsys, evaluate.main, *arguments)
  row = commands.rows(workdir)[-1]
  assert "10 of 10 examples of battles held out" in out
  for name in ("order_accuracy", "win_rate"):
    assert f"{name} {row[name]:.4f}" in out
  text = (page / "index.html").read_text()
  assert all(f"{n}.png" in text for n in ("attention", "battles", "curve"))


def test_a_model_file_is_found_to_be_the_same(workdir, capsys):
  """The policy is a model of the experiment's own, and none of the library."""
  path = workdir / "model.safetensors"
  of_folder, of_file = (
    commands.command(capsys, evaluate.main, TOY, "--checkpoint", where)
    for where in (workdir, path)
  )
  assert of_folder.splitlines()[1:] == of_file.splitlines()
  model, _ = perceiver.load(toy.MINI.model, path)
  assert model.config == toy.MINI.model
  with pytest.raises(perceiver.CheckpointError, match="what model it holds"):
    perceiver.restore(path)


def test_a_transformer_is_trained_alike(tmp_path):
  folder = tmp_path / "run"
  arguments = ["--recipe", "transformer", "--train.steps", "3"]
  assert train.main([TOY, *arguments, "--workdir", str(folder)]) == 0
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
    assert experiment.data.battles.num_slots == 512
  latents = [
    configs.EXPERIMENTS[recipe].model.encoder.encoder.encoder.num_latents
    for recipe in found[:2]
  ]
  assert latents == [32, 64]


def test_the_small_recipes_differ_in_encoder_and_steps_alone():
  other = configs.EXPERIMENTS["mini_transformer"]
  encoding = dataclasses.replace(
    other.model.encoder, encoder=configs.MINI.model.encoder.encoder
  )
  model = dataclasses.replace(other.model, encoder=encoding)
  train = dataclasses.replace(other.train, steps=8000)
  assert dataclasses.replace(other, model=model, train=train) == configs.MINI


def test_battles_must_fit_the_model():
  battles = dataclasses.replace(configs.MINI.data.battles, num_slots=100)
  data = dataclasses.replace(configs.MINI.data, battles=battles)
  with pytest.raises(ValueError, match=r"num_slots is 100; expected the model"):
    dataclasses.replace(configs.MINI, data=data)


def test_the_comparison(workdir, tmp_path, capsys, monkeypatch):
  other = toy.EXPERIMENTS["transformer"]
  monkeypatch.setattr(configs, "EXPERIMENTS", {"transformer": other})
  monkeypatch.setattr(configs, "MINI", toy.MINI)
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
