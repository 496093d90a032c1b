"""Rated sentences, from the package's archive to a trained model."""

import numpy as np
import pytest

from experiments import evaluate
from experiments import prepare
from experiments import train
from experiments.cli import registry
from experiments.language.glue import glue_tasks
from experiments.language.glue import scores
from experiments.language.glue import tsv
from experiments.language.sentences import prepare as prepare_sentences
from tests.helpers import commands
from tests.helpers import tiny_archives

WORDS = ("awful", "bad", "good", "great")
RATINGS = (-3.0, -1.0, 1.0, 3.0)


def text(count):
  """Returns rated sentences, whose one word decides the rating."""
  rows = [
    f"1_{i}\t{RATINGS[i * 7 % 4]}\tthe {WORDS[i * 7 % 4]} number {i}\r\n"
    for i in range(count)
  ]
  return "".join(rows).encode()


@pytest.fixture(name="archive")
def _archive(tmp_path, monkeypatch):
  stems = prepare_sentences._FILES.values()
  inner = tiny_archives.tar(
    {f"hutto_ICWSM_2014/{s}_GroundTruth.txt": text(50) for s in stems}, "gz"
  )
  place = "vader-1/additional_resources/hutto_ICWSM_2014.tar.gz"
  content = tiny_archives.tar({place: inner}, "gz")
  package = tiny_archives.package(content)
  monkeypatch.setattr(prepare_sentences, "PACKAGE", package)
  path = tmp_path / "vader.tar.gz"
  path.write_bytes(content)
  return path


def read(folder, part, name="films"):
  task = glue_tasks.RATED[name]
  path = folder / task.folder / f"{part}.tsv"
  return tsv.read(task, path, is_test=False).examples


def test_every_fifth_sentence_is_held_out(archive, tmp_path, capsys):
  words = ["sentences", str(archive), str(tmp_path / "set")]
  assert prepare.main(words) == 0
  assert "Films: 40 train, 10 dev" in capsys.readouterr().out
  dev = read(tmp_path / "set", "dev")
  assert [e.texts[0].split()[-1] for e in dev] == [
    str(i) for i in range(4, 50, 5)
  ]
  expected = [2.5 + RATINGS[i * 7 % 4] * 5 / 8 for i in range(4, 50, 5)]
  np.testing.assert_allclose([e.label for e in dev], expected, atol=1e-4)


def test_choices_leave_the_held_out_sentences_alone(archive, tmp_path, capsys):
  words = ["sentences", str(archive), str(tmp_path / "set"), "--hold-out"]
  assert prepare.main(words) == 0
  assert "--data.allow-partial" in capsys.readouterr().out
  parts = [read(tmp_path / "set", part, "tweets") for part in ("train", "dev")]
  numbers = [{int(e.texts[0].split()[-1]) for e in part} for part in parts]
  assert numbers[1] == set(range(3, 50, 5))
  assert not {i for i in numbers[0] if i % 5 > 2}


def test_baselines_learn_words(archive, tmp_path, capsys):
  folder = str(tmp_path / "set")
  assert prepare.main(["sentences", str(archive), folder]) == 0
  capsys.readouterr()
  assert evaluate.main(["sentence-baselines", folder]) == 0
  *_, row = capsys.readouterr().out.splitlines()
  name, majority, accuracy, pearson = (x.strip() for x in row.split("|")[1:5])
  assert (name, majority, accuracy) == ("tweets", "50.0", "100.0")
  assert float(pearson) > 0.9


def test_signs_and_correlation_of_ratings():
  task = glue_tasks.RATED["films"]
  found = scores.split_metrics(
    task,
    task.eval_splits[0],
    np.array([0.0, 2.4, 2.6, 5.0]),
    np.array([1.0, 2.0, 2.4, 4.0]),
  )
  assert found["films_sign_accuracy"] == 0.75
  assert found["films_pearson"] > 0.9
  assert scores.score(found) == 0.75
  assert task.num_outputs == 1


def test_every_set_has_a_recipe():
  choices = {c.recipe: c.experiment for c in registry.choices("sentences")}
  pieces = {name: f"sentencepiece_{name}" for name in glue_tasks.RATED}
  assert set(choices) == {*glue_tasks.RATED, *pieces.values(), "mini"}
  for name, task in glue_tasks.RATED.items():
    assert choices[name].model.tasks == (task.config,)
    assert choices[pieces[name]].model.tasks == (task.config,)
    (split,) = task.eval_splits
    assert split.dev_count == (task.train_count + split.dev_count) // 5


def test_pre_training_has_the_trunk_of_its_recipe():
  pre_training = {
    c.recipe: c.experiment for c in registry.choices("masked-language")
  }
  for choice in registry.choices("sentences"):
    prefix, _, _ = choice.recipe.rpartition("_")
    name = f"{prefix}_small" if prefix else "small"
    if choice.recipe != "mini":
      assert choice.experiment.model.trunk == pre_training[name].model


def test_pieces_need_the_file_of_a_tokenizer(archive, tmp_path, capsys):
  folder = tmp_path / "set"
  assert prepare.main(["sentences", str(archive), str(folder)]) == 0
  capsys.readouterr()
  words = ["sentences", "--recipe", "sentencepiece_films"]
  words += ["--data.source", folder, "--workdir", tmp_path / "run"]
  error = commands.command(capsys, train.main, *words, code=1)
  assert "expected 8000, those of the model" in error
  assert "experiments.prepare sentencepiece makes one" in error
  assert not (tmp_path / "run").exists()


def test_from_tables_to_a_result(archive, tmp_path, capsys):
  folder = tmp_path / "set"
  assert prepare.main(["sentences", str(archive), str(folder)]) == 0
  capsys.readouterr()
  run = tmp_path / "run"
  words = ["sentences", "--mini", "--data.source", folder, "--workdir", run]
  words += ["--train.steps", 2, "--train.schedule.warmup-steps", 1]
  error = commands.command(capsys, train.main, *words, code=1)
  assert "has 40 examples where the official data set has 8,484" in error
  words.append("--data.allow-partial")
  out = commands.command(capsys, train.main, *words)
  assert "10 of 10 examples" in out
  row = commands.rows(run)[-1]
  assert row["split"] == "rated films dev, not the official one"
  assert set(row) > {"films_sign_accuracy", "films_pearson", "score"}
