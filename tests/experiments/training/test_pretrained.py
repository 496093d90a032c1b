"""Runs that begin with a checkpoint."""

import dataclasses
import json
import os
import shutil

import chex
import jax
import numpy as np
import pytest

from experiments import train
from experiments.runs import folder as run_folder
from experiments.training import pretrained
from experiments.training import sharding
from experiments.training import trainer
import perceiver
from perceiver import decoder
from perceiver import position_encoding
from perceiver.adapters import audio as adapters_audio
from perceiver.adapters import multimodal
from perceiver.checkpoints.deepmind import files as deepmind_files
from perceiver.models import audioset
from perceiver.models import glue
from tests.helpers import commands
from tests.helpers import huggingface_folders
from tests.helpers import noise
from tests.helpers import released_models
from tests.helpers import tiny_glue
from tests.helpers import tiny_networks
from tests.helpers import tiny_runs
from tests.helpers.recipes import glue as glue_recipe
from tests.helpers.recipes import sums

TINY = "tests.helpers.recipes.sums"
CONFIG = glue.single_task("rte", tiny_glue.TRUNK)
EMBEDDING = "language_model/text_input/token_embedding"
HEAD = "params:classifier/perceiver/decoder/output"
POSITIONS = "params:classifier/image_input/learned_positions:embeddings"


def saved(config, path):
  model = perceiver.create(config)
  variables = noise.variables(model)
  perceiver.save(path, model, variables)
  return path, variables.params


def read(config, path):
  return pretrained.read(perceiver.create(config), path)


def learned(**settings):
  return released_models.classifier(
    released_models.image.Conv1x1(num_channels=5), learned=True, **settings
  )


def longer(config, length):
  text = dataclasses.replace(config.text, max_length=length)
  return dataclasses.replace(config, text=text)


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
  path = tmp_path_factory.mktemp("trunk") / "model.safetensors"
  return saved(tiny_glue.TRUNK, path)


# ------------------------------------------------------------- what is taken


def test_the_trunk_is_taken(trunk):
  path, expected = trunk
  start = read(CONFIG, path)
  fresh = perceiver.create(CONFIG).init(jax.random.key(3))
  params = start.put_into(fresh).params
  found = 0
  for module, entries in params.items():
    source = expected if module in expected else fresh.params
    found += module in expected
    chex.assert_trees_all_equal(entries, source[module])
  assert found > 10
  assert EMBEDDING in expected
  first, *lines = start.describe().splitlines()
  assert first == f"start: {path}: {len(start.arrays)} arrays taken"
  assert lines[0].startswith(
    "  reinitialised, not there: 5 (params:language_model/"
  )
  assert lines[1].startswith(
    "  there, not in the model: 2 (params:language_model/logits:b, params:lang"
  )


def test_parameters_may_be_sharded(trunk):
  start = read(CONFIG, trunk[0])
  mesh = sharding.make_mesh(sharding.ParallelConfig(fsdp=2))
  init = lambda: perceiver.create(CONFIG).init(jax.random.key(0))
  shardings = sharding.state_shardings(mesh, jax.eval_shape(init), min_size=1)
  fresh = jax.jit(init, out_shardings=shardings)()
  value = start.put_into(fresh).params[EMBEDDING]["embeddings"]
  assert not value.sharding.is_fully_replicated
  np.testing.assert_array_equal(value, trunk[1][EMBEDDING]["embeddings"])


def test_another_head_and_another_size(tmp_path):
  path, _ = saved(learned(), tmp_path / "model")
  start = read(learned(size=(16, 4), num_classes=7), path)
  head = (f"{HEAD}:b", f"{HEAD}:w")
  assert start.report == (head, head, (POSITIONS,))
  first, *lines = start.describe().splitlines()
  assert first.endswith(f"{len(start.arrays) - 1} arrays taken")
  assert lines[:2] == [
    f"  resized to the model's size: 1 ({POSITIONS})",
    f"  reinitialised, of other shapes there: 2 ({HEAD}:b, {HEAD}:w)",
  ]
  assert lines[2].startswith("  settings that differ: ")
  assert "inputs.size (16, 4), there (8, 8)" in lines[2]
  assert "decoder.output_channels 7, there 3" in lines[2]
  assert read(learned(), path).report == ((), (), ())


def audio(num_samples, channels=4):
  learned = position_encoding.Learned(channels=channels)
  input_config = adapters_audio.AudioInputConfig(
    num_samples=num_samples, patch_size=4, positions=learned
  )
  return audioset.classifier_of(
    multimodal.ModalityConfig(name="audio", input=input_config),
    decoding=decoder.MeanDecoderConfig(output_channels=3),
    num_latents=2,
    latent_channels=8,
    num_self_attends_per_block=1,
  )


def test_positions_of_modalities_are_resized(tmp_path):
  path, _ = saved(audio(16), tmp_path / "model")
  start = read(audio(32), path)
  module = "params:classifier/multimodal_input/audio_input/learned_positions"
  assert start.report == ((), (), (f"{module}:embeddings",))
  assert start.arrays[f"{module}:embeddings"].shape == (8, 4)


def test_another_trunk_is_refused(trunk):
  text = dataclasses.replace(tiny_glue.TRUNK.text, vocab_size=300)
  other = dataclasses.replace(tiny_glue.TRUNK, text=text)
  with pytest.raises(perceiver.CheckpointError) as caught:
    read(glue.single_task("rte", other), trunk[0])
  assert "float32[300, 8]" in str(caught.value)
  assert "checkpoint's: text.vocab_size 300, there 262." in str(caught.value)
  with pytest.raises(perceiver.CheckpointError, match="ImageClassifierConfig,"):
    read(learned(), trunk[0])


def test_nothing_that_fits_is_refused(tmp_path):
  wide = sums.ModelConfig(channels=9)
  path, _ = saved(wide, tmp_path / "wide")
  renamed = dataclasses.replace(wide, channels=8)
  with pytest.raises(perceiver.CheckpointError, match="channels 8, there 9"):
    read(renamed, path)


# ---------------------------------------------------- what can be started from


def test_released_files(tmp_path):
  config = released_models.CONFIGS["imagenet_learned"]
  model = perceiver.create(config)
  deepmind_files.save(tmp_path / "model", model, noise.variables(model))
  assert read(config, tmp_path / "model").report == ((), (), ())


def test_folders_of_transformers():
  path = huggingface_folders.FOLDER / "masked_lm"
  config = perceiver.load(path)[0].config
  start = read(glue.single_task("rte", config), path)
  assert len(start.arrays) > 10
  start = read(longer(config, 2 * config.text.max_length), path)
  assert len(start.report.interpolated) == 2


def test_what_is_not_there(tmp_path):
  (tmp_path / "empty").mkdir()
  (tmp_path / "broken").write_bytes(b"\x00" * 100)
  with pytest.raises(FileNotFoundError, match=r"checkpoint .*none"):
    read(CONFIG, tmp_path / "none")
  with pytest.raises(FileNotFoundError, match=r"empty/model\.safetensors"):
    read(CONFIG, tmp_path / "empty")
  with pytest.raises(perceiver.CheckpointError, match="broken cannot be read"):
    read(CONFIG, tmp_path / "broken")


def experiment(**settings):
  return tiny_runs.experiment(eval_every=None, **settings)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
  """A run of another seed that ended, and the same one before its end."""
  done, begun = (tmp_path_factory.mktemp(n) for n in ("done", "begun"))
  trainer.train(experiment(seed=5), done)
  code = tiny_runs.interrupt_at(12, experiment(seed=5, steps=13), begun)
  assert code == 143
  return done, begun


def test_runs_finished_or_not(other):
  model = experiment().task().model
  done, begun, file = (
    pretrained.read(model, path)
    for path in (*other, other[0] / "model.safetensors")
  )
  assert done.report == ((), (), ())
  assert any(name.startswith("state:") for name in done.arrays)
  chex.assert_trees_all_equal(done.arrays, file.arrays)
  assert done.arrays.keys() == begun.arrays.keys()


def test_a_run_that_went_on_is_not_its_old_model(other, tmp_path):
  run = shutil.copytree(other[0], tmp_path / "run")
  tiny = experiment(seed=5, steps=14)
  code = tiny_runs.interrupt_at(13, tiny, run, amend=True)
  assert code == 143
  model = experiment().task().model
  newest, old = (
    pretrained.read(model, path).arrays
    for path in (run, run / "model.safetensors")
  )
  assert any(np.any(newest[name] != old[name]) for name in old)


# --------------------------------------------------------------------- the run


def test_a_run_begins_and_then_needs_nothing_else(other, tmp_path, capsys):
  source = shutil.copytree(other[1], tmp_path / "source")
  whole, cut = tmp_path / "whole", tmp_path / "cut"
  trainer.train(experiment(), whole, checkpoint=source)
  printed = capsys.readouterr().err
  assert printed.count(f"start: {source}: ") == 1
  assert "7 arrays taken, all there are\n" in printed
  note = json.loads((whole / "start.json").read_text())
  assert note["checkpoint"] == str(source)
  assert "params:tiny/hidden:w" in note["taken"]
  plain = tmp_path / "plain"
  trainer.train(experiment(), plain)
  assert tiny_runs.losses(whole) != tiny_runs.losses(plain)
  # Killed before its first checkpoint, that of step 0.
  shutil.copytree(whole, cut)
  for path in (cut / "checkpoints").iterdir():
    shutil.rmtree(path)
  (cut / "metrics.jsonl").unlink()
  (cut / "model.safetensors").unlink()
  (cut / "checkpointed.txt").unlink()
  trainer.train(experiment(), cut)  # The note names the checkpoint.
  tiny_runs.assert_same_run(cut, whole)
  source.rename(tmp_path / "moved")
  shutil.rmtree(cut / "checkpoints" / "12")
  trainer.train(experiment(), cut)
  trainer.train(experiment(), cut, checkpoint=source)
  assert "has its own checkpoints" in capsys.readouterr().err
  tiny_runs.assert_same_run(cut, whole)


def test_the_first_state_is_kept(other, tmp_path):
  short = experiment(steps=13, checkpoint_every=13)
  trainer.train(short, tmp_path / "run", checkpoint=other[0])
  steps = sorted(os.listdir(tmp_path / "run" / "checkpoints"))
  assert steps == ["0", "13"]


def test_a_run_that_has_begun_without_one(other, tmp_path):
  trainer.train(experiment(), tmp_path)
  with pytest.raises(run_folder.ConfigError, match="begun without --checkp"):
    trainer.train(experiment(), tmp_path, checkpoint=other[0])


def test_what_cannot_be_used_leaves_no_folder(other, tmp_path):
  wide = sums.EXPERIMENTS["wide"]
  with pytest.raises(perceiver.CheckpointError, match="channels 32, there 8"):
    trainer.train(wide, tmp_path / "run", checkpoint=other[0])
  assert not (tmp_path / "run").exists()


def test_a_run_begins_anew_with_the_same(other, tmp_path, capsys):
  run = tmp_path / "run"
  start = ("--checkpoint", other[0], "--workdir", run)
  commands.command(capsys, train.main, TINY, "--mini", *start)
  shutil.rmtree(run / "checkpoints")
  again = (TINY, "--mini", "--workdir", run)
  error = commands.command(capsys, train.main, *again, code=1)
  assert "has had checkpoints" in error
  assert train.main([*map(str, again), "--restart"]) == 0
  assert f"start: {other[0]}: 7 arrays taken" in capsys.readouterr().err
  (run / "start.json").write_text('{"checkpoint": "/none"}')
  shutil.rmtree(run / "checkpoints")
  error = commands.command(capsys, train.main, *again, "--restart", code=1)
  assert "no checkpoint /none; give its path with --checkpoint" in error


# ------------------------------------------------------------------- the trunk


def test_trunks_of_checkpoints(trunk, tmp_path):
  mini = glue_recipe.MINI
  other = dataclasses.replace(mini.model, trunk=longer(tiny_glue.TRUNK, 99))
  mini = dataclasses.replace(mini, model=other)
  of = lambda path: pretrained.with_trunk(mini, path, tmp_path).model.trunk
  assert of(None) == longer(tiny_glue.TRUNK, 99)
  assert of(trunk[0]) == tiny_glue.TRUNK
  path, _ = saved(CONFIG, tmp_path / "glue.safetensors")
  assert of(path) == tiny_glue.TRUNK
  path, _ = saved(tiny_networks.classifier_config(), tmp_path / "other")
  with pytest.raises(
    perceiver.CheckpointError, match="ImageClassifierConfig; expec"
  ):
    of(path)
  plain = sums.EXPERIMENTS["plain"]
  assert pretrained.with_trunk(plain, path, tmp_path) == plain


def test_the_command(other, tmp_path, capsys):
  arguments = (TINY, "--mini", "--checkpoint", other[0], "--workdir", tmp_path)
  commands.command(capsys, train.main, *arguments)
  assert (tmp_path / "start.json").exists()
  wide = (
    TINY,
    "--recipe",
    "wide",
    *arguments[2:4],
    "--workdir",
    tmp_path / "w",
  )
  error = commands.command(capsys, train.main, *wide, code=1)
  assert "channels 32, there 8" in error
  assert "Traceback" not in error
