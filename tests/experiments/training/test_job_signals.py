"""Signals to a run, as schedulers and terminals send them, in every phase."""

import os
import signal
import subprocess
import sys

import pytest

from experiments.cluster import processes
from experiments.cluster import startup
from experiments.runs import folder as run_folder
from experiments.runs import log
from tests.helpers import faulty
from tests.helpers import folders
from tests.helpers import process_groups

TINY = "tests.helpers.recipes.sums"
SETTINGS = {
  "steps": 6,
  "log_every": 1,
  "eval_every": 3,
  "checkpoint_every": 3,
}
# The step that is saved when a signal comes in a phase.
SAVED = {
  "start": None,
  "compiling": None,
  "training": 1,
  "evaluation": 3,
  "checkpoint": 3,
  "model": 6,
  "plots": 6,
}


def _start(tmp_path, phase, number, *, count=1, workers=0, to_group=True):
  """Starts a run that gets a signal in a phase; returns its processes."""
  port = startup.free_port()
  # Process 0 alone writes model and plots.
  signalled = 0 if phase in ("model", "plots") else count - 1
  started = []
  for index in range(count):
    distributed = processes.DistributedConfig(
      coordinator=f"127.0.0.1:{port}",
      num_processes=count,
      process_id=index,
      start_timeout=100,
    )
    arguments = [
      tmp_path / "run",
      {**SETTINGS, "loader_workers": workers},
      distributed if count > 1 else None,
    ]
    function = faulty.train
    if index == signalled:
      function = faulty.train_signalled
      arguments = [phase, number, to_group, *arguments]
    started.append(
      process_groups.Process(
        tmp_path / f"output-{index}",
        function,
        *arguments,
        leader=started[0] if started else None,
      )
    )
  return started


def _assert_stopped(tmp_path, started, phase, number):
  """All end with the signal's code, and what was computed is saved."""
  try:
    codes = [process.join() for process in started]
  finally:
    for process in started:
      process.kill()
  output = "".join(process.output() for process in started)
  assert set(codes) == {130 if number == signal.SIGINT else 143}, output
  assert "Traceback" not in output
  assert not any(line.startswith("error: ") for line in output.splitlines())
  folder = tmp_path / "run" / run_folder.CHECKPOINTS
  found = os.listdir(folder) if folder.exists() else []
  saved = SAVED[phase]
  assert max(map(int, found), default=None) == saved
  if phase in ("training", "evaluation", "checkpoint"):
    assert f"Stopped by {number.name} after step {saved};" in output


@pytest.mark.parametrize("phase", SAVED)
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("count", [1, 2])
def test_sigterm_to_all_in_every_phase(tmp_path, count, workers, phase):
  started = _start(
    tmp_path, phase, signal.SIGTERM, count=count, workers=workers
  )
  _assert_stopped(tmp_path, started, phase, signal.SIGTERM)


@pytest.mark.parametrize("phase", SAVED)
def test_sigterm_to_one_of_two_in_every_phase(tmp_path, phase):
  started = _start(tmp_path, phase, signal.SIGTERM, count=2, to_group=False)
  _assert_stopped(tmp_path, started, phase, signal.SIGTERM)


@pytest.mark.parametrize(
  ("number", "phase"),
  [
    (signal.SIGINT, "compiling"),
    (signal.SIGINT, "training"),
    (signal.SIGUSR1, "evaluation"),
    (signal.SIGUSR2, "checkpoint"),
    (signal.SIGHUP, "model"),
  ],
)
def test_other_signals(tmp_path, number, phase):
  started = _start(tmp_path, phase, number, workers=1)
  _assert_stopped(tmp_path, started, phase, number)


def _train_unread(*arguments):
  """Trains as `faulty.train_signalled`; the reader of its output has ended."""
  reader, writer = os.pipe()
  os.close(reader)
  os.dup2(writer, 1)
  os.dup2(writer, 2)
  faulty.train_signalled(*arguments)


# `2>&1 | tee log` at Ctrl-C, and a terminal that is closed.
@pytest.mark.parametrize(
  ("number", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 143)]
)
def test_a_signal_ends_the_reader_too(tmp_path, number, code):
  arguments = ("training", number, True, tmp_path / "run", SETTINGS)
  process = process_groups.Process(tmp_path / "log", _train_unread, *arguments)
  assert process.join() == code
  folder = tmp_path / "run" / run_folder.CHECKPOINTS
  assert os.listdir(folder) == [str(SAVED["training"])]


@pytest.mark.parametrize(
  ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_while_python_imports(tmp_path, number, code):
  """Imports take half a minute from a slow disk."""
  (tmp_path / "jax.py").write_text(
    "import time; print('importing', flush=True)\n"
    "while True: time.sleep(0.01)"  # A pause might miss the signal.
  )
  process = subprocess.Popen(
    [sys.executable, "-m", "experiments.train", "digits", "--mini"],
    cwd=folders.ROOT,
    env={**os.environ, "PYTHONPATH": str(tmp_path)},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  try:
    assert process.stdout.readline() == "importing\n"
    process.send_signal(number)
    assert process.communicate(timeout=100) == ("", "")
  finally:
    process.kill()
  assert process.returncode == code


@pytest.mark.parametrize(
  "shell",
  ["2>&1 | head -c 1", "2>/dev/full >/dev/full", "2>&- >&-"],
  ids=["reader_gone", "disk_full", "closed"],
)
def test_nobody_listens(tmp_path, shell):
  """The run goes on to its end, with all of its rows."""
  if "|" in shell:
    shell += "; exit ${PIPESTATUS[0]}"
  command = [sys.executable, "-m", "experiments.train", TINY, "--mini"]
  command += ["--workdir", tmp_path, "--train.log-every", "1"]
  finished = subprocess.run(
    ["bash", "-c", f'"$@" {shell}', "bash", *command],
    cwd=folders.ROOT,
    timeout=300,
    check=False,
  )
  assert finished.returncode == 0
  rows = log.read_rows(tmp_path / "metrics.jsonl")
  assert [r["step"] for r in rows if r["kind"] == "train"] == [*range(1, 7)]
  assert (tmp_path / "model.safetensors").exists()
