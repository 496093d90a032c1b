"""What models take from distant inputs, by the command."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest

from experiments import evaluate
from experiments import train
from experiments.data import files
from experiments.generation import context_use
from experiments.generation.text import data as text_data
from experiments.runs import provenance
import perceiver
from tests.helpers import commands
from tests.helpers.recipes import generation as tiny

TINY = "tests.helpers.recipes.generation"
TEXT = tiny.EXPERIMENTS["text"]


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """The folder of a finished run."""
  folder = tmp_path_factory.mktemp("run")
  arguments = [TINY, "--recipe", "text", "--workdir", str(folder)]
  assert train.main(arguments) == 0
  return folder


def bits_of(model, variables, inputs, targets):
  logits = np.asarray(model.apply(variables, inputs), np.float64)
  log_z = np.log(np.exp(logits).sum(axis=-1))
  own = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
  return np.mean(log_z - own) / np.log(2)


def test_order_and_presence_are_told_apart(tmp_path):
  """The first number is the model's loss; the last that of its own inputs."""
  model = perceiver.create(TEXT.model)
  variables = model.init(jax.random.key(0))
  leaves, structure = jax.tree.flatten(variables.params)
  keys = jax.random.split(jax.random.key(1), len(leaves))
  leaves = [0.5 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves)]
  params = jax.tree.unflatten(structure, leaves)
  variables = variables._replace(params=params)
  file = tmp_path / "model.safetensors"
  perceiver.save(file, model, variables)
  count = model.config.num_latents
  _, held_out = TEXT.splits()
  examples = [held_out.transform(raw, None) for raw in held_out.source]
  full = [x for x in examples if x["inputs"].all()]
  inputs, targets = (
    np.stack([x[name] for x in full]) for name in ("inputs", "targets")
  )
  assert {int(x["counted"]) for x in full} == {count}
  found = context_use.evaluate(file, TEXT, len(full), (count + 3, count + 1))
  last = lambda n: np.pad(inputs[:, -n:], ((0, 0), (0, inputs.shape[1] - n)))
  expected = [
    bits_of(model, variables, x, targets[:, -count:])
    for x in (inputs, *map(last, (count, count + 3, count + 1)))
  ]
  np.testing.assert_allclose(found[[0, 2, 3, 4]], expected, rtol=1e-4)
  assert len({round(x, 3) for x in found}) == 5


def test_own_inputs_keep_what_a_convolution_gives_them(tmp_path, monkeypatch):
  """Elements are mixed only where no input of a latent knows them."""
  config = dataclasses.replace(TEXT.model, convolution_width=3)
  model = perceiver.create(config)
  file = tmp_path / "model.safetensors"
  perceiver.save(file, model, model.init(jax.random.key(0)))
  seen = []

  class Generator(np.random.Generator):
    def permuted(self, part, axis):
      seen.append(part.shape[axis])
      return part

  monkeypatch.setattr(
    np.random, "default_rng", lambda seed=None: Generator(np.random.PCG64(seed))
  )
  context_use.evaluate(file, TEXT, 2)
  assert set(seen) == {config.context - config.num_latents - 2}


def test_runs_are_rows(workdir, capsys):
  arguments = ("context-use", workdir, workdir, "--windows", 2)
  lines = commands.command(capsys, evaluate.main, *arguments).splitlines()
  assert (
    lines[0] == "bits per element by the inputs before those of the latents"
  )
  assert lines[3] == lines[4]
  assert lines[3].replace("|", " ").split()[:3] == [workdir.name, "16", "8"]


def test_context_sizes_are_columns(workdir, capsys):
  """Eight are the latents' own inputs; the whole context has no number."""
  arguments = ("context-use", workdir, "--windows", 2, "--context-sizes", 16, 8)
  lines = commands.command(capsys, evaluate.main, *arguments).splitlines()
  cells = [
    [x.strip() for x in line.strip("|").split("|")]
    for line in (lines[1], lines[3])
  ]
  found = dict(zip(*cells))
  assert found["last 16"] == "–"
  assert found["last 8"] == found["left out"]


def test_what_cannot_be_compared_is_refused(workdir, tmp_path, capsys):
  refused = lambda *arguments: commands.command(
    capsys, evaluate.main, "context-use", *arguments, code=1
  )
  copying = tmp_path / "copying"
  shutil.copytree(workdir, copying)
  path = copying / provenance.NAME
  path.write_text(
    path.read_text().replace("generation.text", "generation.copy")
  )
  assert "generation.copy.configs; expected pixels, text" in refused(copying)
  assert "not the folder of a finished run" in refused(tmp_path)
  assert "Name at least one run" in refused()
  assert "a context size of 7 leaves out inputs of its 8 latents" in refused(
    workdir, "--context-sizes", 9, 7
  )
  short = tmp_path / "short"
  short.mkdir()
  for number in range(40):
    (short / f"{number}.txt").write_text("short")
  source = text_data.Source(text_data.Corpus.FILES, short)
  experiment = dataclasses.replace(
    TEXT, data=text_data.DataConfig(source=source)
  )
  with pytest.raises(files.InputError, match="no window of files held out has"):
    context_use.evaluate(workdir, experiment, 2)
