"""The start of a run: its data, and its first line if it is special."""

import dataclasses

import haiku as hk
import jax
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


@pytest.mark.parametrize("name", ["glue", "imagenet", "sentences"])
def test_recipes_that_the_papers_fine_tune(name):
  found = {
    choice.recipe
    for choice in registry.choices(name)
    if choice.experiment.train.fine_tuning
  }
  if name != "imagenet":
    recipes = {choice.recipe for choice in registry.choices(name)}
    assert found == {x for x in recipes if not x.startswith("mini")}
  else:
    assert found == {f"large_{x}" for x in ("fourier", "projected", "conv")}


def test_the_list_marks_them(tiny, monkeypatch, capsys):
  training = dataclasses.replace(sums.MINI.train, fine_tuning=True)
  tuned = dataclasses.replace(sums.MINI, train=training)
  monkeypatch.setitem(sums.EXPERIMENTS, "tuned", tuned)
  assert list_experiments.main([]) == 0
  found = capsys.readouterr().out.splitlines()
  assert found[0].endswith("*: fine-tuned, with --checkpoint")
  assert len(found[0]) <= 80
  recipes = [line.split()[0] for line in found if "–" in line]
  assert recipes == ["plain", "wide", "tuned*", "mini"]


# Experiments whose data come with a package, or are played by one.
WITHOUT_FILES = {"digits", "smax"}


class Started(Exception):
  """A run has begun."""


def start(monkeypatch, *words):
  """Gives a command line to `train` that stops where data are read."""

  def stop(*unused, **options):
    raise Started

  monkeypatch.setattr(registry, "fit", stop)
  with pytest.raises(Started):
    train.main([str(word) for word in words])


@pytest.mark.parametrize("name", ["optical_flow", "starcraft"])
def test_what_starts_on_synthetic_data_says_so(
  name, tmp_path, monkeypatch, capsys
):
  start(monkeypatch, name, "--workdir", tmp_path)
  assert capsys.readouterr().err == "run: on synthetic data\n"


def test_flow_on_files_says_nothing(tmp_path, monkeypatch, capsys):
  words = ("optical_flow", "--workdir", tmp_path, "--data.source", tmp_path)
  start(monkeypatch, *words)
  assert capsys.readouterr().err == ""


def test_both_are_in_one_line(tmp_path, monkeypatch, capsys):
  words = ("glue", "--workdir", tmp_path, "--data.source", "synthetic")
  start(monkeypatch, *words)
  (line,) = capsys.readouterr().err.splitlines()
  assert line.startswith("run: on synthetic data; from random weights, where")


@pytest.mark.parametrize(
  ("name", "remedy"),
  [
    ("audioset", "--data.source prepared:PATH"),
    ("fashion_mnist", "`apt-get download dataset-fashion-mnist`"),
    ("glue", "--data.source PATH, the folder of the official files"),
    ("imagenet", "`tfds build imagenet2012"),
    ("masked_language", "`tfds build c4/en"),
    ("pixels", "`apt-get download dataset-fashion-mnist`"),
    ("tunes", "`pip download music21==10.5.1 --no-deps`"),
    ("modelnet40", "https://modelnet.cs.princeton.edu"),
    ("sentences", "vaderSentiment==3.3.2` brings its archive"),
    ("video_autoencoding", "`python -m experiments.prepare clips`"),
  ],
)
def test_recipes_need_their_data(name, remedy, tmp_path, monkeypatch, capsys):
  def trace(*unused, **options):
    raise AssertionError("something is traced")

  monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
  for function in ("eval_shape", "make_jaxpr"):
    monkeypatch.setattr(jax, function, trace)
  monkeypatch.setattr(hk, "transform_with_state", trace)
  run = tmp_path / "run"
  assert train.main([name, "--workdir", str(run)]) == 1
  captured = capsys.readouterr()
  (*notes, error) = captured.err.splitlines()
  assert len(notes) == (name == "glue")
  assert error.startswith("error: ")
  assert "--data.source synthetic" in error
  assert remedy in error
  assert not run.exists()


@pytest.mark.parametrize("name", sorted({*registry.names()} - WITHOUT_FILES))
def test_mini_recipes_need_none(name, tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
  start(monkeypatch, name, "--mini")
  found = capsys.readouterr().err
  prose = name in ("masked_language", "text")  # Python's, not synthetic
  assert found == "" if prose else found.startswith("run: on synthetic data\n")


def test_all_recipes_take_synthetic_data(tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  for name in {*registry.names()} - WITHOUT_FILES:
    start(monkeypatch, name, "--data.source", "synthetic")
    assert capsys.readouterr().err.startswith("run: on synthetic data")
