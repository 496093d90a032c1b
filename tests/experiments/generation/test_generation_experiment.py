"""Training, evaluation, report and generation, from the command line."""

import shutil

import chex
import pytest

from experiments import evaluate
from experiments import predict
from experiments import train
from experiments.generation import predict as generation_predict
from experiments.generation import sequences
import perceiver
from tests.helpers import commands

TINY = "tests.helpers.recipes.generation"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """The folder of a finished run."""
  return commands.finished(tmp_path_factory, TINY)


def test_training_leaves_numbers_and_pictures(workdir):
  rows = commands.rows(workdir)
  assert {row["step"] for row in rows if row["kind"] == "eval"} == {6, 12}
  last = rows[-1]
  assert (last["examples"], last["expected"]) == (6, 6)
  assert {"loss", "bits_per_byte", "accuracy"} <= set(last)
  assert (workdir / "figures" / "curve.png").exists()


def test_an_interrupted_run_ends_the_same(workdir, tmp_path):
  again = tmp_path / "again"
  shutil.copytree(workdir, again)
  shutil.rmtree(again / "checkpoints" / "12")
  assert train.main([TINY, "--mini", "--workdir", str(again)]) == 0
  models = [d / "model.safetensors" for d in (workdir, again)]
  chex.assert_trees_all_equal(*(perceiver.load(m)[1] for m in models))


def test_evaluation_writes_a_report(workdir, tmp_path, capsys):
  page = tmp_path / "report"
  arguments = (workdir, "--report", page)
  out = commands.command(capsys, evaluate.main, *arguments)
  assert "6 of 6 examples of mirrored held out" in out
  assert 'src="figures/curve.png"' in (page / "index.html").read_text()


def test_texts_are_evaluated_with_the_same_model(workdir, capsys):
  model = workdir / "model.safetensors"
  arguments = (TINY, "--recipe", "text", "--checkpoint", model)
  out = commands.command(capsys, evaluate.main, *arguments)
  assert "11 of 11 examples of synthetic held out" in out


def test_generation_is_streamed_and_repeatable(workdir, tmp_path, capsys):
  arguments = ("generate", "--checkpoint", workdir, "--prompt", "abc")
  arguments += ("--length", 24, "--seed", 3)
  first = commands.command(capsys, predict.main, *arguments)
  assert first.startswith("abc")
  assert first == commands.command(capsys, predict.main, *arguments)
  output = tmp_path / "samples"
  arguments += ("--samples", 2, "--top-k", 5, "--output", output)
  commands.command(capsys, predict.main, *arguments)
  assert output.read_bytes().count(b"abc") == 2


@pytest.mark.parametrize(
  ("options", "message"),
  [
    (("--length", 0), "at least 1"),
    (("--top-p", 2), "top_p is 2.0"),
    (("--prompt", "a", "--prompt-file", "b"), "not both"),
  ],
)
def test_what_makes_no_sense_is_refused(workdir, options, message, capsys):
  arguments = ("generate", "--checkpoint", workdir, *options)
  error = commands.command(capsys, predict.main, *arguments, code=2)
  assert message in error


def test_what_is_no_text_is_shown_as_a_sign(capsys):
  generation_predict._write(sequences.decode([3 + 255, 3 + 65]))
  assert capsys.readouterr().out == "�A"
