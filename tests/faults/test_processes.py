"""Runs of two processes: the numbers of one, and the end of a killed peer."""

import os
import signal

import numpy as np
import pytest

from experiments.cluster import processes
from experiments.cluster import startup
from experiments.runs import log
from experiments.training import sharding
from tests.helpers import faulty
from tests.helpers import process_groups

STEPS = 50
SETTINGS = {
  "steps": STEPS,
  "log_every": 1,
  "eval_every": 25,
  "checkpoint_every": 10,
}
FSDP = sharding.ParallelConfig(data=2, fsdp=4)


def _start(workdir, devices=1, count=1, slowly=False, **settings):
  """Starts a run; its processes print into files beside its folder."""
  port = startup.free_port()
  return [
    process_groups.Process(
      workdir.with_name(f"{workdir.name}-{index}"),
      faulty.train,
      workdir,
      {**SETTINGS, **settings},
      processes.DistributedConfig(
        coordinator=f"127.0.0.1:{port}",
        num_processes=count,
        process_id=index,
        start_timeout=60,
      )
      if count > 1
      else None,
      0.005 if slowly else 0.0,
      devices=devices,
    )
    for index in range(count)
  ]


def _finish(started, code=0):
  for process in started:
    assert process.join() == code, process.output()


def _losses(workdir):
  rows = log.read_rows(workdir / "metrics.jsonl")
  return {r["step"]: r["loss"] for r in rows if r["kind"] == "train"}


def _evaluations(workdir):
  rows = log.read_rows(workdir / "metrics.jsonl")
  return [r for r in rows if r["kind"] == "eval"]


def _assert_same(workdir, expected):
  found, wanted = _losses(workdir), _losses(expected)
  assert list(found) == list(wanted) == [*range(1, STEPS + 1)]
  np.testing.assert_allclose(
    [*found.values()], [*wanted.values()], rtol=0, atol=1e-5
  )
  for a, b in zip(_evaluations(workdir), _evaluations(expected), strict=True):
    assert a == pytest.approx(b, abs=1e-5)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
  """The folder of a run of one process with one device."""
  workdir = tmp_path_factory.mktemp("alone") / "run"
  _finish(_start(workdir))
  return workdir


@pytest.mark.parametrize("config", [sharding.ParallelConfig(), FSDP])
def test_two_processes_give_the_numbers_of_one(alone, tmp_path, config):
  workdir = tmp_path / "run"
  _finish(_start(workdir, devices=4, count=2, parallel=config))
  _assert_same(workdir, alone)


def test_a_signal_to_one_stops_both_and_one_goes_on(alone, tmp_path):
  workdir = tmp_path / "run"
  first, second = _start(
    workdir, devices=4, count=2, slowly=True, parallel=FSDP
  )
  first.wait_for("training: 12/")
  os.kill(second.pid, signal.SIGTERM)
  _finish([first, second], code=143)
  assert "Stopped by SIGTERM after step" in first.output()
  (last,) = _start(workdir, devices=1)
  _finish([last])
  assert "Going on from step" in last.output()
  _assert_same(workdir, alone)


def test_a_death_ends_both_and_both_go_on(alone, tmp_path):
  workdir = tmp_path / "run"
  (before,) = _start(workdir, slowly=True)
  before.wait_for("training: 7/")
  os.kill(before.pid, signal.SIGINT)
  _finish([before], code=130)
  first, second = _start(
    workdir, devices=4, count=2, slowly=True, parallel=FSDP
  )
  first.wait_for("training: 24/")
  second.kill()
  assert first.join(60) == 1
  assert "error: Process 1 of the run has ended" in first.output()
  again = _start(workdir, devices=4, count=2, parallel=FSDP)
  _finish(again)
  assert "Going on from step 20" in again[0].output()
  _assert_same(workdir, alone)


def _slurm(index, port):
  """The variables by which JAX detects a step of two tasks in Slurm."""
  return {
    "JAX_COORDINATOR_PORT": str(port),
    "SLURM_JOB_ID": "1",
    "SLURM_STEP_NODELIST": "localhost",
    "SLURM_NTASKS": "2",
    "SLURM_PROCID": str(index),
    "SLURM_LOCALID": str(index),
  }


def _start_detected(workdir, function, **settings):
  port = startup.free_port()
  return [
    process_groups.Process(
      workdir.with_name(f"{workdir.name}-{index}"),
      function,
      workdir,
      {**SETTINGS, **settings},
      processes.DistributedConfig(detect=True),
      0.005,
      environment=_slurm(index, port),
    )
    for index in range(2)
  ]


def test_a_killed_peer_ends_a_detected_run_at_once(tmp_path):
  first, second = _start_detected(tmp_path / "run", faulty.train)
  first.wait_for("training: 3/")
  second.kill()
  assert first.join(20) == 1
  assert "error: Process 1 of the run has ended" in first.output()


def test_different_configurations_end_both(tmp_path):
  workdir = tmp_path / "run"
  port = startup.free_port()
  started = [
    process_groups.Process(
      tmp_path / f"output-{index}",
      faulty.train,
      workdir,
      {"seed": index, "loader_threads": index},
      processes.DistributedConfig(
        coordinator=f"127.0.0.1:{port}", num_processes=2, process_id=index
      ),
      devices=2,
    )
    for index in range(2)
  ]
  _finish(started, code=1)
  words = "error: The processes were started with different configurations."
  assert all(words in process.output() for process in started)
  second = started[1].output()
  assert "train.seed: 0 in process 0, 1 in process 1" in second
  assert "loader_threads" not in second
  assert not workdir.exists()


def test_evaluation_on_eight_devices_and_on_one(alone, tmp_path):
  outputs = set()
  for devices, size in ((8, 16), (1, 3)):
    evaluating = process_groups.Process(
      tmp_path / f"{devices}",
      faulty.evaluate,
      alone,
      *("--train.eval-batch-size", f"{size}"),
      *("--train.batch-size", f"{devices}"),
      devices=devices,
    )
    _finish([evaluating])
    outputs.add(evaluating.output())
  (output,) = outputs
  assert "21 of 21 examples of tiny eval\n  loss " in output


@pytest.mark.parametrize("devices", [1, 3])
def test_evaluation_takes_the_devices_that_there_are(tmp_path, devices):
  workdir = tmp_path / "run"
  settings = {"steps": 6, "eval_every": None, "parallel": FSDP}
  _finish(_start(workdir, devices=8, **settings))
  evaluating = process_groups.Process(
    tmp_path / "output", faulty.evaluate, workdir, devices=devices
  )
  _finish([evaluating])
  assert f"devices: {devices}, in groups of {devices}" in evaluating.output()
  assert "21 of 21 examples of tiny eval\n  loss " in evaluating.output()


def test_on_other_devices_the_advice_that_is_given_does(tmp_path):
  workdir = tmp_path / "run"
  _finish(_start(workdir, devices=4, steps=6, eval_every=None))
  (refused,) = _start(workdir, devices=3, steps=6, eval_every=None)
  _finish([refused], code=1)
  assert "--train.parallel.data 2 does" in refused.output()
  two = sharding.ParallelConfig(data=2)
  _finish(_start(workdir, devices=3, steps=6, eval_every=None, parallel=two))
  assert "--train.batch-size 9 does" in refused.output()
  settings = {"steps": 6, "eval_every": None, "batch_size": 9}
  _finish(_start(tmp_path / "new", devices=3, **settings))
