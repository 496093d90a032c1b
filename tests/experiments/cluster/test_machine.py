"""Accelerators that stay unused, and shared memory that is too small."""

import errno
from multiprocessing import synchronize
import os
import signal
import subprocess
import sys

import pytest

from experiments.cluster import machine
from experiments.data import loader
from tests.helpers import folders

_ENDS = """
import os, signal
from experiments.cli import errors
from experiments.data import loader

def die(number, generator):
  os.kill(os.getpid(), signal.{name})

def main():
  split = loader.Split(range(8), die, "dying")
  batches = loader.train_batches(split, batch_size=4, seed=0, num_workers=2)
  next(batches)

if __name__ == "__main__":
  raise SystemExit(errors.run(main))
"""


@pytest.fixture
def devices(tmp_path, monkeypatch):
  monkeypatch.setattr(machine, "_DEVICES", tmp_path)
  monkeypatch.delenv("JAX_PLATFORMS", raising=False)
  return tmp_path


@pytest.mark.parametrize(
  ("name", "kind", "extra"),
  [("nvidia0", "GPU", "cuda"), ("accel3", "TPU", "tpu")],
)
def test_unused_accelerator_is_named(devices, monkeypatch, name, kind, extra):
  for other in ("null", "nvidiactl", "nvidia-uvm", "accelerometer"):
    (devices / other).touch()
  assert machine.unused_accelerator("cpu") == ""
  (devices / name).touch()
  message = machine.unused_accelerator("cpu")
  assert (
    f"has a {kind}, {devices / name}, and JAX computes on the CPU" in message
  )
  assert f".[{extra}]" in message
  assert machine.unused_accelerator("gpu") == ""
  monkeypatch.setenv("JAX_PLATFORMS", "cpu")  # on purpose
  assert machine.unused_accelerator("cpu") == ""


@pytest.mark.parametrize(
  ("name", "reason"),
  [("SIGBUS", "the shared memory /dev/shm, of "), ("SIGKILL", "out of memory")],
)
def test_death_of_a_worker_is_the_last_line(tmp_path, name, reason):
  file = tmp_path / "dies.py"
  file.write_text(_ENDS.format(name=name))
  done = subprocess.run(
    [sys.executable, file],
    env={**os.environ, "PYTHONPATH": str(folders.ROOT)},
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert done.returncode == 1
  last = done.stderr.splitlines()[-1]
  assert last.startswith("error: A process that prepares examples has died; ")
  assert reason in last
  assert "--train.loader-workers" in last


def test_shared_memory_that_is_not_there(monkeypatch, tmp_path):
  monkeypatch.setattr(machine, "_SHARED_MEMORY", tmp_path / "missing")
  message = machine.cause_of_death(-signal.SIGBUS)
  assert f"{tmp_path / 'missing'}, which is not there, is too small" in message


def test_shared_memory_that_is_full(monkeypatch):
  def full(*unused, **settings):
    raise OSError(errno.ENOSPC, "No space left on device")

  monkeypatch.setattr(synchronize.SemLock, "__init__", full)
  split = loader.Split(range(8), lambda raw, generator: {"x": raw}, "some")
  batches = loader.train_batches(split, batch_size=4, seed=0, num_workers=1)
  with pytest.raises(loader.WorkerError, match="cannot start; the shared mem"):
    next(batches)
