"""Starts of several processes: those that fail, and those that need not."""

import os
import pathlib
import signal

import pytest

from experiments.cluster import processes
from experiments.cluster import startup
from experiments.cluster import watchdog
from experiments.runs import folder as run_folder
from experiments.runs import occupancy
from tests.helpers import faulty
from tests.helpers import process_groups

SETTINGS = {"steps": 8, "log_every": 1, "eval_every": 8}
NOWHERE = "http://127.0.0.1:9"


def _config(index, port, timeout=60):
  return processes.DistributedConfig(
    coordinator=f"localhost:{port}",
    num_processes=2,
    process_id=index,
    start_timeout=timeout,
  )


def _start(folder, function, *arguments, indices=(0, 1), **options):
  """Starts processes that call function(index, port, *arguments)."""
  port = startup.free_port()
  return [
    process_groups.Process(
      folder / f"output-{index}", function, index, port, *arguments, **options
    )
    for index in indices
  ]


def _codes(started):
  return [process.join() for process in started]


def _lines(process):
  lines = process.output().splitlines()
  return [line for line in lines if not line.startswith("[Gloo] ")]


def _errors(process):
  """Returns the lines of the output, from the first error on."""
  lines = _lines(process)
  begins = [line.startswith("error: ") for line in lines]
  return lines[begins.index(True) :] if any(begins) else lines


# ----------------------------------------------------------- detected processes


def _meet_in_slurm(index, port, count):
  """Is one of two tasks of a step, as JAX detects them in Slurm."""
  os.environ |= {
    "JAX_COORDINATOR_PORT": str(port),
    "SLURM_JOB_ID": "1",
    "SLURM_STEP_NODELIST": "localhost",
    "SLURM_NTASKS": str(count),
    "SLURM_PROCID": str(index),
    "SLURM_LOCALID": "0",
  }
  faulty.meet(processes.DistributedConfig(detect=True, start_timeout=3))


@pytest.mark.parametrize(
  ("index", "message"),
  [
    (0, "error: 2 of 3 processes did not connect in time: 1, 2."),
    (2, "error: Process 2 cannot reach process 0 at localhost:"),
  ],
)
def test_a_missing_task_is_named(tmp_path, index, message):
  (process,) = _start(tmp_path, _meet_in_slurm, 3, indices=[index])
  assert process.join() == 1
  (line,) = process.output().splitlines()
  assert line.startswith(message)


def test_detected_tasks_meet(tmp_path):
  started = _start(tmp_path, _meet_in_slurm, 2)
  assert _codes(started) == [0, 0]
  assert all("from 0" in process.output() for process in started)


def _meet_nowhere(*_):
  faulty.meet(processes.DistributedConfig(detect=True, start_timeout=3))


def test_where_nothing_is_detected_one_line_says_so(tmp_path):
  (process,) = _start(tmp_path, _meet_nowhere, indices=[0])
  assert process.join() == 1
  (line,) = process.output().splitlines()
  assert line.startswith("error: No Cloud TPU, Slurm or Open MPI was found")
  assert "Give --distributed.coordinator" in line


# ---------------------------------------------------------------------- proxies


def _meet(index, port):
  faulty.meet(_config(index, port))


@pytest.mark.parametrize(
  "environment",
  [
    {"http_proxy": NOWHERE},
    {"https_proxy": NOWHERE, "no_proxy": "example.org"},
    {"grpc_proxy": NOWHERE, "no_grpc_proxy": "example.org"},
  ],
)
def test_proxies_are_for_what_is_outside(tmp_path, environment):
  none = {"no_grpc_proxy": "", "no_proxy": ""}  # of this machine's
  started = _start(tmp_path, _meet, environment=none | environment)
  assert _codes(started) == [0, 0]
  assert all("from 0" in process.output() for process in started)
  assert not any("proxy" in process.output() for process in started)


def test_other_exceptions_from_proxies_stay(monkeypatch):
  monkeypatch.setattr(os, "environ", {"no_proxy": "a,b"})
  startup.bypass_proxies("host")
  assert os.environ == {"no_proxy": "a,b"}
  os.environ["http_proxy"] = NOWHERE
  startup.bypass_proxies("host")
  assert os.environ.pop("no_grpc_proxy") == "a,b,host"


# --------------------------------------------------- processes that stop or end


def _train(index, port, workdir, seconds_of_silence=None):
  if seconds_of_silence:
    watchdog.BEAT_SECONDS = seconds_of_silence / 10
  faulty.train(
    workdir, {**SETTINGS, "steps": 10**6}, _config(index, port), 0.01
  )


@pytest.mark.parametrize("index", [0, 1])
def test_a_stopped_process_ends_the_other_one(tmp_path, index):
  started = _start(tmp_path, _train, tmp_path / "run", 10.0)
  started[0].wait_for("training: 3/")
  stopped, other = started[index], started[1 - index]
  os.kill(stopped.pid, signal.SIGSTOP)
  try:
    assert other.join() == 1
  finally:
    os.kill(stopped.pid, signal.SIGCONT)
  (line,) = _errors(other)
  assert line.startswith(f"error: Process {index} of the run is silent")
  assert stopped.join() == 1


def test_the_end_of_process_zero_ends_the_other_one(tmp_path):
  first, second = _start(tmp_path, _train, tmp_path / "run")
  first.wait_for("training: 3/")
  first.kill()
  assert second.join() == 1
  (line,) = _errors(second)
  assert line.startswith("error: Process 0 of the run has ended")


# ------------------------------------------------------------------ hosts apart


def _train_apart(index, port, folder, seconds, is_relative):
  occupancy._SHARED_SECONDS = seconds
  workdir = folder / f"machine-{index}" / "run"
  if is_relative:
    workdir.parent.mkdir()
    os.chdir(workdir.parent)
    workdir = pathlib.Path("run")
  faulty.train(workdir, SETTINGS, _config(index, port))


@pytest.mark.parametrize("is_relative", [False, True])
def test_processes_that_do_not_share_a_folder(tmp_path, is_relative):
  started = _start(tmp_path, _train_apart, tmp_path, 1.0, is_relative)
  assert _codes(started) == [1, 1]
  for index, process in enumerate(started):
    (line,) = _lines(process)
    assert f"error: Process 0 works in {tmp_path}/machine-0/run on " in line
    assert "; not so process 1." in line
    assert f"here it is {tmp_path}/machine-{index}/run on " in line
  assert not list(tmp_path.rglob("*.json"))


def test_signals_work_while_processes_look_for_one_another(tmp_path):
  first, second = _start(tmp_path, _train_apart, tmp_path, 500.0, False)
  place = tmp_path / "machine-0" / "run" / occupancy.NAME
  first.wait_until(lambda: place.exists() and place.read_text())
  os.kill(second.pid, signal.SIGTERM)
  assert second.join() == 143
  assert first.join() == 143
  assert "Process 1 of the run was stopped by a signal." in first.output()


# ------------------------------------------------- what process 0 decides alone


def _train_seeing_nothing(index, port, workdir, steps):
  if index:
    run_folder.checkpoint_steps = lambda directory: []
  settings = {**SETTINGS, "steps": steps, "checkpoint_every": 4}
  faulty.train(workdir, settings, _config(index, port))


def test_process_zero_decides_from_which_checkpoint_all_go_on(tmp_path):
  workdir = tmp_path / "run"
  alone = process_groups.Process(
    tmp_path / "alone", faulty.train, workdir, {**SETTINGS, "steps": 8}
  )
  assert alone.join() == 0
  (workdir / "metrics.jsonl").unlink()  # So that all evaluate once more.
  started = _start(tmp_path, _train_seeing_nothing, workdir, 8)
  assert _codes(started) == [0, 0]
  assert "Going on from step 8" in started[0].output()


def _train_two(index, port, workdir):
  faulty.train(workdir, SETTINGS, _config(index, port))


def test_all_processes_learn_that_a_folder_is_in_use(tmp_path):
  with occupancy.occupied(tmp_path / "run"):
    started = _start(tmp_path, _train_two, tmp_path / "run")
    assert _codes(started) == [1, 1]
  for process in started:
    assert f"in use by process {os.getpid()} on" in _errors(process)[0]
