"""A run killed with signal 9 again and again ends like an undisturbed one."""

import itertools
import os
import random
import select
import signal
import time

import numpy as np
import pytest

from experiments.data import loader
from tests.helpers import faulty
from tests.helpers import process_groups

STEPS = 70
KILLS = 20
SETTINGS = {
  "steps": STEPS,
  "log_every": 1,
  "eval_every": 35,
  "loader_threads": 0,
}


def _start(workdir, name, **settings):
  return process_groups.Process(
    workdir.with_name(name), faulty.train, workdir, {**SETTINGS, **settings}
  )


def _wait(process, workdir, number, dice):
  """Waits for the moment of the next kill."""
  if number % 5 == 0:
    time.sleep(dice.uniform(0.2, 1.5))
    return
  steps = dice.randrange(1, 4)
  end = time.monotonic() + 300
  while time.monotonic() < end and process.is_alive():
    if process.output().count("\ntraining: ") >= steps:
      break
    time.sleep(0.005)
  if number % 2:  # Half of them while a checkpoint is being written.
    while time.monotonic() < end and process.is_alive():
      if list((workdir / "checkpoints").glob("*tmp*")):
        break
      time.sleep(0.001)
  time.sleep(dice.uniform(0, 0.06))


@pytest.mark.timeout(1800)
def test_killed_at_random_moments_the_run_is_the_same(tmp_path):
  dice = random.Random(9)
  workdir = tmp_path / "run"
  amid_writing = 0
  for number in range(KILLS):
    process = _start(
      workdir,
      f"life-{number}",
      checkpoint_every=2,
      checkpoint_in_background=bool(number // 2 % 2),
    )
    _wait(process, workdir, number, dice)
    assert process.is_alive(), process.output()
    process.kill()
    amid_writing += bool(list((workdir / "checkpoints").glob("*tmp*")))
  assert amid_writing >= 2
  last = _start(workdir, "last life", checkpoint_every=10)
  assert last.join() == 0, last.output()
  assert "Going on from step" in last.output()
  undisturbed = tmp_path / "undisturbed"
  process = _start(undisturbed, "only life", checkpoint_every=1000)
  assert process.join() == 0, process.output()
  assert faulty.contents(workdir) == faulty.contents(undisturbed)


def _killed_while(workdir, name, moment):
  """Goes on until a file is being written, and is killed then."""
  process = process_groups.Process(
    workdir.with_name(f"{name}-{moment}"),
    faulty.train_killed,
    *(name, moment, workdir, {**SHORT, "checkpoint_every": 2}),
  )
  assert process.join() == -signal.SIGKILL, process.output()


SHORT = {**SETTINGS, "steps": 20, "eval_every": 10}
FILES = (
  "config.json",
  "provenance.json",
  "metrics.jsonl",
  "checkpointed.txt",
  "digests.json",
  "model.safetensors",
)


def test_killed_while_any_file_is_written_the_run_is_the_same(tmp_path):
  workdir, undisturbed = tmp_path / "run", tmp_path / "undisturbed"
  _killed_while(workdir, "metrics.jsonl", "row")
  # The model comes last: after it no step is made.
  for name, moment in itertools.product(FILES, ("half", "whole", "renamed")):
    _killed_while(workdir, name, moment)
  for folder in (workdir, undisturbed):
    process = process_groups.Process(
      tmp_path / f"of {folder.name}", faulty.train, folder, SHORT
    )
    assert process.join() == 0, process.output()
  assert faulty.contents(workdir) == faulty.contents(undisturbed)
  for name in {*FILES} - {"digests.json"}:
    assert not list(workdir.glob(f".{name.partition('.')[0]}.*")), name


class _Holding:
  """Examples, and the processes that read them: each holds a pipe open."""

  def __init__(self, pipe):
    self.pipe = pipe

  def __len__(self):
    return 64

  def __getitem__(self, index):
    os.open(self.pipe, os.O_WRONLY)
    return np.float32(index)


def _as_it_is(example, generator):
  del generator
  return {"x": example}


def _load_for_ever(pipe):
  split = loader.Split(_Holding(pipe), _as_it_is, "holding")
  batches = loader.train_batches(split, batch_size=4, seed=0, num_workers=2)
  list(itertools.islice(batches, 4))
  print("loaded", flush=True)
  time.sleep(1000)


def test_workers_end_with_a_run_that_is_killed(tmp_path):
  pipe = tmp_path / "pipe"
  os.mkfifo(pipe)
  reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
  run = process_groups.Process(tmp_path / "output", _load_for_ever, pipe)
  try:
    run.wait_for("loaded")
    os.kill(run.pid, signal.SIGKILL)
    # It can be read from once nobody holds it open any more.
    assert select.select([reader], [], [], 120)[0]
    assert os.read(reader, 1) == b""
  finally:
    run.kill()
    os.close(reader)
