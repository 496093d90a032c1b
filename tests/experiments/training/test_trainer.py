"""Training: it learns, it resumes exactly, it stops when it should."""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import chex
import jax
import numpy as np
import pytest

from experiments.cli import registry
from experiments.runs import folder as run_folder
from experiments.runs import log
from experiments.training import checkpoints as training_checkpoints
from experiments.training import config as training_config
from experiments.training import memory
from experiments.training import program
from experiments.training import sharding
from experiments.training import state as training_state
from experiments.training import trainer
from perceiver import config_json
from tests.helpers import folders
from tests.helpers import foreign
from tests.helpers.recipes import sums

ROOT = folders.ROOT
STEPS = 12


def _experiment(data=None, **kwargs):
  """The tiny recipe, made shorter."""
  kwargs = {"steps": STEPS, "eval_every": 6, **kwargs}
  experiment = sums.EXPERIMENTS["plain"]
  return dataclasses.replace(
    experiment,
    data=data or experiment.data,
    train=dataclasses.replace(experiment.train, **kwargs),
  )


def _rows(workdir, kind):
  rows = log.read_rows(workdir / "metrics.jsonl")
  return [row for row in rows if row["kind"] == kind]


def _losses(workdir):
  return [row["loss"] for row in _rows(workdir, "train")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  """The folder and the report of a run that nothing disturbed."""
  workdir = tmp_path_factory.mktemp("finished")
  return workdir, trainer.train(_experiment(), workdir)


# ---------------------------------------------------------------- a whole run


def test_it_learns(tmp_path):
  report = trainer.train(_experiment(steps=40), tmp_path)
  assert report.evaluation.metrics["top_1"] > 0.85
  losses = _losses(tmp_path)
  assert losses[-1] < 0.5 * losses[0]


def test_what_a_run_leaves_behind(finished):
  workdir, report = finished
  assert [row["step"] for row in _rows(workdir, "train")] == [3, 6, 9, 12]
  assert [row["step"] for row in _rows(workdir, "eval")] == [6, 12]
  assert set(_rows(workdir, "train")[0]) == {
    *("step", "kind", "loss", "gradient_norm", "top_1", "learning_rate")
  }
  assert report.step == STEPS
  assert (report.evaluation.examples, report.evaluation.expected) == (21, 21)
  assert report.model_file == workdir / "model.safetensors"
  assert report.plots == (workdir / "picture.txt",)
  names = {path.name for path in workdir.iterdir()}
  assert names >= {"config.json", "provenance.json", "model.safetensors"}
  steps = sorted(int(p.name) for p in (workdir / "checkpoints").iterdir())
  assert steps == [5, 10, 12]


def test_the_same_command_on_a_finished_run_changes_nothing(finished):
  workdir, report = finished
  before = (workdir / "metrics.jsonl").read_bytes()
  assert trainer.train(_experiment(), workdir) == report
  assert (workdir / "metrics.jsonl").read_bytes() == before


def test_the_logged_rate_is_the_one_that_was_used(finished):
  rates = [row["learning_rate"] for row in _rows(finished[0], "train")]
  config = _experiment().train
  schedule, num_steps = training_config.learning_rate(config, 48)
  assert num_steps == STEPS
  assert rates == [float(schedule(step - 1)) for step in (3, 6, 9, 12)]


# ------------------------------------------------------------------- devices


@pytest.mark.parametrize(
  "config",
  [
    sharding.ParallelConfig(data=1),
    # Even the tiny recipe's small arrays are divided.
    sharding.ParallelConfig(fsdp=2, min_sharded_size=8),
  ],
)
def test_devices_change_nothing(finished, tmp_path, config):
  report = trainer.train(_experiment(parallel=config), tmp_path)
  np.testing.assert_allclose(
    _losses(tmp_path), _losses(finished[0]), rtol=0, atol=1e-6
  )
  assert report.evaluation.metrics == pytest.approx(
    finished[1].evaluation.metrics, abs=1e-6
  )


def test_a_batch_that_does_not_divide_is_refused_before_anything_is_made(
  tmp_path,
):
  with pytest.raises(ValueError, match=r"batch_size=6 .* 4 devices"):
    trainer.train(_experiment(batch_size=6), tmp_path / "run")
  assert not (tmp_path / "run").exists()


# -------------------------------------------------------------------- resume


def test_stopping_on_other_devices_and_going_on(finished, tmp_path):
  interrupted = _interrupt_at(7, _experiment(), tmp_path)
  assert interrupted == 143
  one = sharding.ParallelConfig(data=1)
  trainer.train(_experiment(parallel=one), tmp_path)
  np.testing.assert_allclose(
    _losses(tmp_path), _losses(finished[0]), rtol=0, atol=1e-6
  )


@pytest.mark.parametrize("step", [1, 6, 7])
def test_sigterm_saves_and_the_same_command_goes_on(finished, tmp_path, step):
  assert _interrupt_at(step, _experiment(), tmp_path) == 143
  assert str(step) in os.listdir(tmp_path / "checkpoints")
  trainer.train(_experiment(), tmp_path)
  _assert_same_run(tmp_path, finished[0])


def test_sigint_exits_with_its_own_code(tmp_path):
  code = _interrupt_at(2, _experiment(), tmp_path, signal.SIGINT)
  assert code == 130


def test_sigterm_during_an_evaluation_saves_too(
  finished, tmp_path, monkeypatch
):
  whole = log.Reporter.evaluating

  def interrupted(self, done, total):
    whole(self, done, total)
    os.kill(os.getpid(), signal.SIGTERM)

  with monkeypatch.context() as patched:
    patched.setattr(log.Reporter, "evaluating", interrupted)
    with pytest.raises(SystemExit) as caught:
      trainer.train(_experiment(), tmp_path)
  assert caught.value.code == 143
  assert "6" in os.listdir(tmp_path / "checkpoints")
  assert not _rows(tmp_path, "eval")
  trainer.train(_experiment(), tmp_path)
  _assert_same_run(tmp_path, finished[0])


def _interrupt_at(step, experiment, workdir, number=signal.SIGTERM):
  """Sends this process a signal after a step; returns the exit code."""
  compile_within = memory.compile_within

  def compiling(*args):
    compiled = compile_within(*args)

    def interrupted(state, batch):
      result = compiled(state, batch)
      if int(result[0].step) == step:
        os.kill(os.getpid(), number)
      return result

    return interrupted

  with pytest.MonkeyPatch.context() as patched:
    patched.setattr(memory, "compile_within", compiling)
    with pytest.raises(SystemExit) as caught:
      trainer.train(experiment, workdir)
  return caught.value.code


def _assert_same_run(found, expected):
  """Metrics byte for byte, and every array of the last checkpoint."""
  name = "metrics.jsonl"
  assert (found / name).read_bytes() == (expected / name).read_bytes()
  chex.assert_trees_all_equal(_last_state(found), _last_state(expected))


def _last_state(workdir):
  experiment = _experiment()
  mesh = sharding.make_mesh(experiment.train.parallel)
  task = experiment.task()
  target = program.Program(experiment.train, task, mesh).target
  items = training_state.to_items(target)
  directory = workdir / "checkpoints"
  with training_checkpoints.Checkpoints(
    directory, read_only=True
  ) as checkpoints:
    step, items = checkpoints.restore(items)
  assert step == STEPS
  items["rest"]["key"] = jax.random.key_data(items["rest"]["key"])
  return items


_SCRIPT = """
import dataclasses, pathlib, sys
from experiments.training import trainer
from perceiver import config_json
from tests.helpers.recipes import sums
tiny = sums.EXPERIMENTS["plain"]
settings = dataclasses.replace(tiny.train, steps=12, eval_every=6)
tiny = dataclasses.replace(tiny, train=settings)
trainer.train(tiny, pathlib.Path(sys.argv[1]))
"""


def _start(workdir, seconds_per_example=0.0):
  environment = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "TINY_SECONDS_PER_EXAMPLE": str(seconds_per_example),
  }
  return subprocess.Popen(
    [sys.executable, "-c", _SCRIPT, str(workdir)],
    env=environment,
    stderr=subprocess.PIPE,
    text=True,
  )


def test_kill_9_loses_one_interval_at_most_and_changes_nothing(
  finished, tmp_path
):
  process = _start(tmp_path, seconds_per_example=0.05)
  try:
    _wait_for(tmp_path / "checkpoints" / "5", process)
  finally:
    process.kill()
    process.communicate()
  assert not (tmp_path / "model.safetensors").exists()
  process = _start(tmp_path)
  _, errors = process.communicate(timeout=120)
  assert process.returncode == 0, errors
  assert "Going on from step 5" in errors
  _assert_same_run(tmp_path, finished[0])


def test_sigterm_to_a_process(tmp_path):
  process = _start(tmp_path, seconds_per_example=0.05)
  try:
    _wait_for(tmp_path / "checkpoints" / "5", process)
    process.terminate()
    _, errors = process.communicate(timeout=120)
  finally:
    process.kill()
  assert process.returncode == 143, errors
  assert "Stopped by SIGTERM after step" in errors


def _wait_for(path, process):
  end = time.monotonic() + 120
  while not path.exists():
    assert process.poll() is None, process.communicate()[1]
    assert time.monotonic() < end
    time.sleep(0.02)


# As Orbax gives up, some of its threads find their event loop closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_checkpoint_costs_an_interval(finished, tmp_path):
  assert _interrupt_at(7, _experiment(), tmp_path) == 143
  (tmp_path / "checkpoints" / "7" / "params" / "manifest.ocdbt").write_text("")
  with pytest.warns(UserWarning, match="step 7"):
    trainer.train(_experiment(), tmp_path)
  _assert_same_run(tmp_path, finished[0])


def _copy(finished, tmp_path):
  return pathlib.Path(shutil.copytree(finished[0], tmp_path / "run"))


def test_files_of_other_programs_do_not_matter(finished, tmp_path, capsys):
  workdir = _copy(finished, tmp_path)
  foreign.add(workdir)
  for path in workdir.rglob("process_0~"):
    path.unlink()  # Orbax takes it for its own.
  trainer.train(_experiment(), workdir)
  assert "Going on from step 12" in capsys.readouterr().err
  assert not (workdir / run_folder.DAMAGED).exists()
  _assert_same_run(workdir, finished[0])


def _set_aside(workdir):
  for path in (workdir / "checkpoints").glob("*/params/manifest.ocdbt"):
    path.write_text("")
  with (
    pytest.warns(UserWarning, match="was moved to"),
    pytest.raises(training_checkpoints.DamagedError, match="with --restart"),
  ):
    trainer.train(_experiment(), workdir)


def _purge(workdir):
  shutil.rmtree(workdir / "checkpoints")


def _purge_older(workdir):
  """As left by a version without the note, after a start that kept it."""
  (workdir / "checkpointed.txt").unlink()
  trainer.train(_experiment(), workdir)
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
      trainer.train(_experiment(), workdir)
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
    trainer.train(_experiment(), workdir)
  assert sorted(os.listdir(workdir / "checkpoints")) == ["10", "12", "5"]


def test_another_configuration_is_refused_with_its_fields(finished):
  with pytest.raises(run_folder.ConfigError) as caught:
    trainer.train(_experiment(base_rate=0.5, keep=7), finished[0])
  assert "train.base_rate: 0.02 then, 0.5 now" in str(caught.value)
  assert "keep" not in str(caught.value)


def _has(config, name):
  """Returns whether a configuration as JSON has a field, a dotted name."""
  for part in name.split("."):
    if part not in config:
      return False
    config = config[part]
  return True


def test_fields_that_may_differ_exist():
  configs = [
    json.loads(config_json.to_json(registry.choose(name, mini=True).experiment))
    for name in registry.names()
  ]
  for field in training_config.MAY_DIFFER:
    assert any(_has(config, field) for config in configs), field


# -------------------------------------------------------- what must not go on


def test_what_is_not_a_number_stops_and_leaves_good_checkpoints(
  tmp_path, monkeypatch
):
  assert _interrupt_at(5, _experiment(), tmp_path) == 143
  poisoned = sums.DataConfig(poisoned=True)
  monkeypatch.setattr(training_config, "MAY_DIFFER", ("data.poisoned",))
  with pytest.raises(trainer.NonFiniteError) as caught:
    trainer.train(_experiment(poisoned), tmp_path)
  message = str(caught.value)
  assert "loss is not a finite number at step" in message or (
    "gradient_norm is not a finite number at step" in message
  )
  assert "The checkpoint of step 5 is intact: go on" in message
  assert os.listdir(tmp_path / "checkpoints") == ["5"]
  rows = (tmp_path / "metrics.jsonl").read_text()
  assert "NaN" not in rows


@pytest.mark.parametrize(
  ("name", "value"),
  [("loss", lambda x: x.mean()), ("top_1", lambda x: x[:, None])],
)
def test_losses_must_be_per_example(tmp_path, monkeypatch, name, value):
  losses = sums.Task.losses

  def wrong(*args, **kwargs):
    found = losses(*args, **kwargs)
    if name == "loss":
      return found._replace(loss=value(found.loss))
    return found._replace(metrics={name: value(found.metrics[name])})

  monkeypatch.setattr(sums.Task, "losses", wrong)
  with pytest.raises(ValueError, match=f"Task must give '{name}' as one"):
    trainer.train(_experiment(), tmp_path)


def test_the_trainers_own_names_are_taken(tmp_path, monkeypatch):
  losses = sums.Task.losses

  def wrong(*args, **kwargs):
    found = losses(*args, **kwargs)
    return found._replace(metrics={"gradient_norm": found.loss})

  monkeypatch.setattr(sums.Task, "losses", wrong)
  with pytest.raises(ValueError, match="gradient_norm"):
    trainer.train(_experiment(), tmp_path)


def test_a_warm_up_as_long_as_the_training_is_refused_before_it(tmp_path):
  with pytest.raises(training_config.LengthError, match="warm-up is 4 steps"):
    trainer.train(_experiment(steps=4), tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_an_empty_split_is_named():
  split = sums.Experiment(train=sums.MINI.train).task().train_split()
  split = dataclasses.replace(split, source=[])
  with pytest.raises(ValueError, match="'tiny train' has no examples"):
    trainer.batch_shapes(split, 4)
