"""A run killed with signal 9 again and again ends like an undisturbed one."""

import random
import time

import pytest

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
