"""A run that was interrupted goes on, and ends as if it had not been."""

import json
import os
import pathlib
import shutil
import signal

import numpy as np
import pytest

from experiments.cli import registry
from experiments.runs import folder as run_folder
from experiments.runs import log
from experiments.runs import outside_files
from experiments.training import checkpoints as training_checkpoints
from experiments.training import config as training_config
from experiments.training import sharding
from experiments.training import trainer
from perceiver import config_json
from tests.helpers import faulty
from tests.helpers import foreign
from tests.helpers import process_groups
from tests.helpers import tiny_runs


def test_stopping_on_other_devices_and_going_on(finished, tmp_path):
  interrupted = tiny_runs.interrupt_at(7, tiny_runs.experiment(), tmp_path)
  assert interrupted == 143
  one = sharding.ParallelConfig(data=1)
  trainer.train(tiny_runs.experiment(parallel=one), tmp_path)
  np.testing.assert_allclose(
    tiny_runs.losses(tmp_path), tiny_runs.losses(finished[0]), rtol=0, atol=1e-6
  )


@pytest.mark.parametrize("step", [1, 6, 7])
def test_sigterm_saves_and_the_same_command_goes_on(finished, tmp_path, step):
  assert tiny_runs.interrupt_at(step, tiny_runs.experiment(), tmp_path) == 143
  assert str(step) in os.listdir(tmp_path / "checkpoints")
  trainer.train(tiny_runs.experiment(), tmp_path)
  tiny_runs.assert_same_run(tmp_path, finished[0])


def test_sigint_exits_with_its_own_code(tmp_path):
  code = tiny_runs.interrupt_at(
    2, tiny_runs.experiment(), tmp_path, signal.SIGINT
  )
  assert code == 130


def test_a_signal_saves_whatever_else_fails(tmp_path, monkeypatch):
  class Full(Exception):
    """The disk of the log is full."""

  write = log.Reporter.write

  def interrupted(self, kind, step, values):
    if step == 6:
      os.kill(os.getpid(), signal.SIGTERM)
      raise Full
    write(self, kind, step, values)

  _assert_saves_step_6(tmp_path, monkeypatch, "write", interrupted)


def _assert_saves_step_6(tmp_path, monkeypatch, method, interrupted):
  """Trains with another method of the reporter, which sends SIGTERM."""
  with monkeypatch.context() as patched:
    patched.setattr(log.Reporter, method, interrupted)
    with pytest.raises(SystemExit) as caught:
      trainer.train(tiny_runs.experiment(), tmp_path)
  assert caught.value.code == 143
  assert "6" in os.listdir(tmp_path / "checkpoints")


def test_sigterm_during_an_evaluation_saves_too(
  finished, tmp_path, monkeypatch
):
  whole = log.Reporter.evaluating

  def interrupted(self, done, total):
    whole(self, done, total)
    os.kill(os.getpid(), signal.SIGTERM)

  _assert_saves_step_6(tmp_path, monkeypatch, "evaluating", interrupted)
  assert not tiny_runs.rows(tmp_path, "eval")
  trainer.train(tiny_runs.experiment(), tmp_path)
  tiny_runs.assert_same_run(tmp_path, finished[0])


def _start(workdir, name, seconds_per_example=0.0):
  settings = {"steps": tiny_runs.STEPS, "eval_every": 6}
  return process_groups.Process(
    workdir.with_name(name),
    faulty.train,
    *(workdir, settings, None, seconds_per_example),
    devices=4,
  )


def test_kill_9_loses_one_interval_at_most_and_changes_nothing(
  finished, tmp_path
):
  workdir = tmp_path / "run"
  process = _start(workdir, "killed", seconds_per_example=0.05)
  try:
    process.wait_until((workdir / "checkpoints" / "5").exists)
  finally:
    process.kill()
  assert not (workdir / "model.safetensors").exists()
  process = _start(workdir, "finished")
  assert process.join() == 0, process.output()
  assert "Going on from step 5" in process.output()
  tiny_runs.assert_same_run(workdir, finished[0])


# As Orbax gives up, some of its threads find their event loop closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_checkpoint_costs_an_interval(finished, tmp_path):
  assert tiny_runs.interrupt_at(7, tiny_runs.experiment(), tmp_path) == 143
  (tmp_path / "checkpoints" / "7" / "params" / "manifest.ocdbt").write_text("")
  with pytest.warns(UserWarning, match="step 7"):
    trainer.train(tiny_runs.experiment(), tmp_path)
  tiny_runs.assert_same_run(tmp_path, finished[0])


def _copy(finished, tmp_path):
  return pathlib.Path(shutil.copytree(finished[0], tmp_path / "run"))


def test_files_of_other_programs_do_not_matter(finished, tmp_path, capsys):
  workdir = _copy(finished, tmp_path)
  newest = workdir / "checkpoints" / "12"
  shutil.copytree(newest, newest.with_name("12.bak"))
  for path in [path for path in newest.rglob("*") if path.is_file()]:
    shutil.copy(path, path.with_name(f"{path.name}.bak"))
  foreign.add(workdir)
  trainer.train(tiny_runs.experiment(), workdir)
  assert "Going on from step 12" in capsys.readouterr().err
  assert not (workdir / run_folder.DAMAGED).exists()
  tiny_runs.assert_same_run(workdir, finished[0])


def _set_aside(workdir):
  for path in (workdir / "checkpoints").glob("*/params/manifest.ocdbt"):
    path.write_text("")
  with (
    pytest.warns(UserWarning, match="was moved to"),
    pytest.raises(training_checkpoints.DamagedError, match="with --restart"),
  ):
    trainer.train(tiny_runs.experiment(), workdir)


def _purge(workdir):
  shutil.rmtree(workdir / "checkpoints")


def _purge_older(workdir):
  """As left by a version without the note, after a start that kept it."""
  (workdir / "checkpointed.txt").unlink()
  trainer.train(tiny_runs.experiment(), workdir)
  shutil.rmtree(workdir / "checkpoints")


@pytest.mark.parametrize("lose", [_set_aside, _purge, _purge_older])
def test_a_run_whose_checkpoints_are_gone_does_not_begin_anew(
  finished, tmp_path, lose
):
  workdir = _copy(finished, tmp_path)
  lose(workdir)
  log_before = (workdir / "metrics.jsonl").read_bytes()
  for _ in range(2):
    with pytest.raises(
      run_folder.GoneError, match="begin anew: with --restart"
    ):
      trainer.train(tiny_runs.experiment(), workdir)
  assert (workdir / "metrics.jsonl").read_bytes() == log_before
  run_folder.restart(workdir)
  aside = tmp_path / "run-before-restart"
  assert (aside / "metrics.jsonl").read_bytes() == log_before
  assert not workdir.exists()


def test_restart_leaves_runs_with_checkpoints_and_new_ones(finished, tmp_path):
  workdir = _copy(finished, tmp_path)
  run_folder.restart(workdir)
  run_folder.restart(tmp_path / "new")
  assert list(tmp_path.iterdir()) == [workdir]


def test_what_is_intact_is_not_set_aside(finished, tmp_path, monkeypatch):
  workdir = _copy(finished, tmp_path)

  def without_memory(*args, **kwargs):
    raise MemoryError("out of memory")

  monkeypatch.setattr(
    training_checkpoints.ocp.StandardCheckpointHandler,
    "restore",
    without_memory,
  )
  with pytest.raises(
    training_checkpoints.DamagedError, match=r"step 12 .* out of memory"
  ):
    trainer.train(tiny_runs.experiment(), workdir)
  assert sorted(os.listdir(workdir / "checkpoints")) == ["10", "12", "5"]


def test_another_configuration_is_refused_with_its_fields(finished):
  with pytest.raises(run_folder.ConfigError) as caught:
    trainer.train(tiny_runs.experiment(base_rate=0.5, keep=7), finished[0])
  assert "train.base_rate: 0.02 then, 0.5 now" in str(caught.value)
  assert "keep" not in str(caught.value)


def _has(config, name):
  """Returns whether a configuration as JSON has a field, a dotted name."""
  if name.startswith("."):  # at any depth
    return f'"{name[1:]}": ' in json.dumps(config)
  for part in name.split("."):
    if part not in config:
      return False
    config = config[part]
  return True


def test_places_of_files_may_differ():
  found = {
    name
    for experiment in registry.names()
    for name in outside_files.paths(
      registry.choose(experiment, mini=True).experiment
    )
  }
  # These decide what is learned; another path to the same may be given.
  learned = {"data.sentencepiece_model", "data.synthetic.textures.folder"}
  differ = {n for n in training_config.MAY_DIFFER if not n.startswith("train")}
  places = {
    n for n in found if f"{n}.".startswith(tuple(f"{d}." for d in differ))
  }
  assert found - places == learned


def test_fields_that_may_differ_exist():
  configs = [
    json.loads(config_json.to_json(registry.choose(name, mini=True).experiment))
    for name in registry.names()
  ]
  for field in training_config.MAY_DIFFER:
    assert any(_has(config, field) for config in configs), field
