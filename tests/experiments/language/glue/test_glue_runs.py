"""Fine-tuned runs: what their options change, and what they need later."""

import dataclasses
import json
import pathlib
import shutil

import chex
import jax
import pytest

from experiments import evaluate
from experiments import train
from experiments.cli import arguments as cli_arguments
from experiments.cli import registry
from experiments.language.glue import glue_tasks
from experiments.language.text import bert
from experiments.language.text import sentencepiece
from experiments.training import pretrained
import perceiver
from tests.helpers import commands
from tests.helpers import tiny_glue
from tests.helpers.recipes import glue as recipe

TINY = "tests.helpers.recipes.glue"
PIECES = 300


def save(path, **text):
  config = dataclasses.replace(
    tiny_glue.TRUNK, text=dataclasses.replace(tiny_glue.TRUNK.text, **text)
  )
  model = perceiver.create(config)
  perceiver.save(path, model, model.init(jax.random.key(7)))
  return path


def run(capsys, workdir, *arguments, code=0):
  given = (TINY, "--mini", "--workdir", workdir, *arguments)
  return commands.command(capsys, train.main, *given, code=code)


def models(*folders):
  return [perceiver.load(folder)[1] for folder in folders]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
  """A folder with a language model of pieces, its tokenizer, and a run."""
  folder = tmp_path_factory.mktemp("home")
  save(folder / "language.safetensors", vocab_size=PIECES)
  for name, words in (("pieces", 9), ("other", 7)):
    lines = (" ".join(map(str, range(i, i + words))) for i in range(200))
    pieces = sentencepiece.train(lines, PIECES)
    (folder / f"{name}.model").write_bytes(pieces)
  with pytest.MonkeyPatch.context() as patched:
    patched.chdir(folder)
    arguments = (TINY, "--mini", "--workdir", "run", *given(pathlib.Path()))
    assert train.main([str(x) for x in arguments]) == 0
  return folder


def given(folder, pieces="pieces.model"):
  """Returns the options of the run, with paths below a folder."""
  return (
    *("--checkpoint", folder / "language.safetensors"),
    *("--data.sentencepiece-model", folder / pieces),
  )


@pytest.fixture
def moved(home, tmp_path, monkeypatch):
  """A copy of the run where nothing else of it is."""
  there = shutil.copytree(home / "run", tmp_path / "copied")
  shutil.move(home, home.with_name("moved"))
  monkeypatch.chdir(tmp_path)
  yield there
  shutil.move(home.with_name("moved"), home)


def test_paths_are_absolute(home):
  config = json.loads((home / "run" / "config.json").read_text())
  assert config["data"]["sentencepiece_model"] == str(home / "pieces.model")
  note = json.loads((home / "run" / "start.json").read_text())
  assert note["checkpoint"] == str(home / "language.safetensors")


def test_a_copied_run_is_evaluated(moved, capsys):
  out = commands.command(capsys, evaluate.main, moved)
  assert "54 of 54 examples of synthetic 8 tasks dev" in out
  assert commands.command(capsys, evaluate.main, TINY, "--checkpoint", moved)


@pytest.mark.parametrize("options", ["old", "new", "none"])
def test_a_copied_run_goes_on(moved, home, capsys, options):
  before = home.with_name("moved")
  shutil.rmtree(moved / "checkpoints" / "4")
  folder = {"old": home, "new": before}.get(options)
  pieces = ("--data.sentencepiece-model", home / "pieces.model")
  run(capsys, moved, *(given(folder) if folder else pieces))
  chex.assert_trees_all_equal(*models(moved, before / "run"))
  assert (moved / "start.json").exists()


def test_another_tokenizer_is_refused(home, capsys):
  options = given(home, "other.model")
  error = run(capsys, home / "run", *options, code=1)
  assert "expected the file that the run in" in error
  error = run(capsys, home / "run", *options[:2], code=1)
  assert "has 262 tokens; expected 300, those of the model" in error
  assert "Traceback" not in error


# ------------------------------------------------------------ contradictions


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
  """A language model of bytes."""
  return save(tmp_path_factory.mktemp("trunk") / "model.safetensors")


def test_longer_texts_are_carried_out(trunk, tmp_path):
  choice = registry.choose(TINY, mini=True)
  choice = registry.with_trunk(choice, trunk, tmp_path)
  options = [TINY, "--mini", "--model.trunk.text.max-length", "30"]
  found = cli_arguments.override(train.Train, choice, options, "train")
  task = found.task()
  assert found.model.max_length == task.encoder.max_length == 30
  start = pretrained.read(task.model, trunk)
  names = set(start.report.interpolated)
  assert names == {
    "params:language_model/text_input/learned_positions:embeddings"
  }
  assert [start.arrays[name].shape for name in names] == [(30, 8)]


@pytest.mark.parametrize(
  ("options", "message"),
  [
    (
      ("--model.trunk.perceiver.encoder.num-latents", 9),
      "perceiver.encoder.num_latents 9, there 4",
    ),
    (
      ("--model.trunk.text.vocab-size", 300),
      "text.vocab_size 300, there 262",
    ),
    (
      ("--model.trunk.perceiver.processor.num-self-attends-per-block", 2),
      "processor.num_self_attends_per_block 2, there 1",
    ),
  ],
)
def test_other_trunks_are_refused(trunk, tmp_path, capsys, options, message):
  workdir = tmp_path / "run"
  error = run(capsys, workdir, "--checkpoint", trunk, *options, code=1)
  assert message in error
  assert not workdir.exists()


def test_the_baseline_takes_no_language_model(trunk):
  task = glue_tasks.TASKS["rte"].config
  model = bert.BertConfig(
    text=tiny_glue.TRUNK.text, tasks=(task,), num_layers=1, num_heads=2
  )
  experiment = dataclasses.replace(recipe.MINI, model=model)
  assert pretrained.with_trunk(experiment, trunk, trunk.parent) == experiment
  with pytest.raises(perceiver.CheckpointError, match="kind BertConfig, there"):
    pretrained.read(perceiver.create(model), trunk)
