"""Signals to a run, as schedulers and terminals send them."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from experiments.runs import log
from tests.helpers import folders

TINY = "tests.helpers.recipes.sums"


@pytest.fixture(autouse=True)
def _hangups_are_heard():
  """Under nohup SIGHUP is ignored, and left alone."""
  before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
  yield
  signal.signal(signal.SIGHUP, before)


def start(workdir, *options, shell=None, seconds_per_example=0.02):
  """Starts a run as the leader of a group of processes."""
  command = [sys.executable, "-m", "experiments.train", TINY, "--mini"]
  command += ["--workdir", str(workdir), "--train.steps", "400"]
  command += ["--train.eval-every", "None", *options]
  if shell:
    command = ["bash", "-c", f'"$@" {shell}', "bash", *command]
  return subprocess.Popen(
    command,
    env=os.environ
    | {
      "PYTHONPATH": str(folders.ROOT),
      "TINY_SECONDS_PER_EXAMPLE": str(seconds_per_example),
    },
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    start_new_session=True,
  )


def wait_for(process, happened, seconds=120):
  end = time.monotonic() + seconds
  while not happened():
    assert process.poll() is None, process.communicate()
    assert time.monotonic() < end
    time.sleep(0.05)


def steps(workdir):
  found = pathlib.Path(workdir, "checkpoints").glob("[0-9]*")
  return sorted(int(path.name) for path in found if path.name.isdecimal())


def end(process):
  try:
    return process.communicate(timeout=120)
  finally:
    kill(process)


def kill(process):
  """Ends all that is left of the group."""
  with contextlib.suppress(ProcessLookupError):
    os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
  "number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name
)
def test_a_signal_to_the_group_with_workers(tmp_path, number):
  process = start(tmp_path, "--train.loader-workers", "2")
  try:
    wait_for(process, lambda: steps(tmp_path))
    os.killpg(process.pid, number)
    _, errors = end(process)
  finally:
    kill(process)
  assert process.returncode == (130 if number == signal.SIGINT else 143), errors
  assert f"Stopped by {number.name} after step" in errors
  assert "has died" not in errors
  assert "Traceback" not in errors
  assert f"after step {steps(tmp_path)[-1]};" in errors


@pytest.mark.parametrize(
  "number",
  [signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP],
  ids=lambda number: number.name,
)
def test_schedulers_and_terminals_are_heard(tmp_path, number):
  process = start(tmp_path)
  try:
    wait_for(process, lambda: steps(tmp_path))
    process.send_signal(number)
    _, errors = end(process)
  finally:
    kill(process)
  assert process.returncode == 143, errors
  assert f"Stopped by {number.name} after step {steps(tmp_path)[-1]};" in errors


def test_a_signal_while_the_run_begins(tmp_path):
  process = start(tmp_path, seconds_per_example=0.2)
  try:
    wait_for(process, (tmp_path / "config.json").exists)
    process.terminate()
    _, errors = end(process)
  finally:
    kill(process)
  assert process.returncode == 143, errors
  assert "Traceback" not in errors


@pytest.mark.parametrize(
  "shell",
  ["2>&1 | head -c 1", "2>/dev/full >/dev/full", "2>&- >&-"],
  ids=["reader_gone", "disk_full", "closed"],
)
def test_nobody_listens(tmp_path, shell):
  """The run goes on to its end, with all of its rows."""
  options = ["--train.steps", "12", "--train.log-every", "1"]
  if "|" in shell:
    shell += "; exit ${PIPESTATUS[0]}"
  process = start(tmp_path, *options, shell=shell, seconds_per_example=0)
  end(process)
  assert process.returncode == 0
  rows = log.read_rows(tmp_path / "metrics.jsonl")
  assert [r["step"] for r in rows if r["kind"] == "train"] == list(range(1, 13))
  assert (tmp_path / "model.safetensors").exists()
