"""Training, evaluation and prediction, from the command line."""

import dataclasses
import shutil

import chex
import numpy as np
import pytest

from experiments import evaluate
from experiments import predict
from experiments import train
from experiments.cli import registry
from experiments.data import files
from experiments.language.masked_language import configs
import perceiver
from tests.helpers import commands
from tests.helpers import tiny_language
from tests.helpers.recipes import language as recipe

TINY = "tests.helpers.recipes.language"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """The folder of a finished run."""
  return commands.finished(tmp_path_factory, TINY)


def test_training_leaves_numbers_and_pictures(workdir):
  rows = commands.rows(workdir)
  assert {row["step"] for row in rows if row["kind"] == "eval"} == {6, 12}
  last = rows[-1]
  assert (last["examples"], last["expected"]) == (10, 10)
  assert {"loss", "bits_per_byte", "accuracy", "word_accuracy"} <= set(last)
  figures = sorted(path.name for path in (workdir / "figures").iterdir())
  assert figures == ["attention.png", "curve.png", "filled.png"]


def test_an_interrupted_run_ends_the_same(workdir, tmp_path):
  again = tmp_path / "again"
  shutil.copytree(workdir, again)
  shutil.rmtree(again / "checkpoints" / "12")
  assert train.main([TINY, "--mini", "--workdir", str(again)]) == 0
  models = [d / "model.safetensors" for d in (workdir, again)]
  chex.assert_trees_all_equal(*(perceiver.load(m)[1] for m in models))


def test_evaluation_finds_what_training_found(workdir, capsys):
  out = commands.command(capsys, evaluate.main, TINY, "--checkpoint", workdir)
  bits = commands.rows(workdir)[-1]["bits_per_byte"]
  assert "10 of 10 examples of python_topics held out" in out
  assert f"bits_per_byte {bits:.4f}" in out


def test_the_model_fills_masks(workdir, capsys):
  arguments = ["fill-mask", "a [MASK*3] of text", "--checkpoint", str(workdir)]
  assert predict.main(arguments) == 0
  out = capsys.readouterr().out.rstrip("\n")
  assert out.startswith("a ")
  assert out.endswith(" of text")


def test_models_of_pieces_are_trained_too(tmp_path, capsys):
  path = tmp_path / "pieces.model"
  path.write_bytes(tiny_language.pieces())
  folder = tmp_path / "run"
  arguments = [
    *(TINY, "--mini", "--workdir", str(folder), "--train.steps", "3"),
    *("--model.text.vocab-size", str(tiny_language.NUM_PIECES)),
    *("--data.sentencepiece-model", str(path)),
  ]
  assert train.main(arguments) == 0, capsys.readouterr().err
  row = commands.rows(folder)[-1]
  assert row["bits_per_byte"] < row["loss"] / np.log(2)


def test_tokens_of_another_number_are_refused(tmp_path):
  path = tmp_path / "pieces.model"
  path.write_bytes(tiny_language.pieces())
  data = dataclasses.replace(recipe.MINI.data, sentencepiece_model=path)
  with pytest.raises(
    files.InputError, match=r"pieces\.model has 600 tokens; expected 262"
  ):
    dataclasses.replace(recipe.MINI, data=data).task().train_split()
  with pytest.raises(files.InputError, match=r"bytes has 262 tokens.* 32000"):
    configs.EXPERIMENTS["sentencepiece"].task().train_split()


def test_the_published_recipes():
  """2107.14795, table 12."""
  choices = registry.choices("masked-language")
  assert [choice.recipe for choice in choices] == [
    "bytes",
    "sentencepiece",
    "bytes_large",
    "bytes_128_latents",
    "bytes_512_latents",
    "bert_bytes",
    "bert_sentencepiece",
    *("small", "sentencepiece_small", "mini"),  # ours
  ]
  for choice in choices[:-3]:
    training = choice.experiment.train
    assert (training.batch_size, training.steps) == (2048, 500_000)
    assert training.base_rate == 1.25e-3
    assert training.schedule.warmup_steps == 1000
    assert training.optimizer.weight_decay == 0.01
    data = choice.experiment.data
    assert (data.documents, data.mask_rate) == (10, 0.15)
  texts = [choice.experiment.model.text for choice in choices[:4]]
  assert [(t.vocab_size, t.max_length) for t in texts] == [
    (262, 2048),
    (32_000, 512),
    (262, 2048),
    (262, 2048),
  ]


def test_the_table_of_baselines(workdir, capsys, monkeypatch):
  monkeypatch.setattr(configs, "MINI", recipe.MINI)
  model = str(workdir / "model.safetensors")
  arguments = ["--checkpoint", model, "--num-train", "64"]
  assert not evaluate.main(["language-baselines", *arguments])
  rows = capsys.readouterr().out.splitlines()
  assert len(rows) == 6
  assert rows[1].startswith("always a space")
  assert float(rows[1].split()[-1]) == 0
