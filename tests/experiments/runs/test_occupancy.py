"""A run's folder has one run at a time."""

import errno
import fcntl
import json
import os
import pathlib
import socket
import time
import types

import pytest

from experiments import train
from experiments.cli import errors
from experiments.runs import folder as run_folder
from experiments.runs import occupancy
from experiments.training import trainer
from tests.helpers import process_groups
from tests.helpers import tiny_runs


def _occupy(workdir: pathlib.Path) -> None:
  with occupancy.occupied(workdir):
    print("occupied", flush=True)
    time.sleep(500)


@pytest.fixture
def owner(tmp_path):
  """A process that occupies the folder "run"."""
  process = process_groups.Process(
    tmp_path / "output", _occupy, tmp_path / "run"
  )
  process.wait_for("occupied")
  yield process
  process.kill()


def test_the_second_run_ends_at_once_and_names_the_first(owner, tmp_path):
  workdir = tmp_path / "run"
  with pytest.raises(occupancy.InUseError) as caught:
    trainer.train(tiny_runs.experiment(), workdir)
  message = str(caught.value)
  place = f"process {owner.pid} on {socket.gethostname()}, since 20"
  assert message.startswith(f"{workdir} is in use by {place}")
  assert "\n" not in message
  assert os.listdir(workdir) == [occupancy.NAME]


def test_a_restart_leaves_a_running_run_alone(owner, tmp_path, capsys):
  workdir = tmp_path / "run"
  (workdir / run_folder.DAMAGED).mkdir()
  arguments = ["tests.helpers.recipes.sums", "--workdir", str(workdir)]
  assert train.main([*arguments, "--restart"]) == 1
  assert f"in use by process {owner.pid}" in capsys.readouterr().err
  assert (workdir / run_folder.DAMAGED).is_dir()


def test_a_dead_owner_does_not_keep_a_folder(owner, tmp_path):
  workdir = tmp_path / "run"
  assert occupancy.is_occupied(workdir)
  owner.kill()
  assert not occupancy.is_occupied(workdir)
  assert (workdir / occupancy.NAME).exists()
  with occupancy.occupied(workdir):
    record = json.loads((workdir / occupancy.NAME).read_text())
    assert record["pid"] == os.getpid()
    assert occupancy.is_occupied(workdir)
  assert not (workdir / occupancy.NAME).exists()


def test_what_others_left_does_not_matter(tmp_path):
  (tmp_path / occupancy.NAME).write_text("not JSON")
  assert not occupancy.is_occupied(tmp_path)
  with (tmp_path / occupancy.NAME).open() as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    with (
      pytest.raises(occupancy.InUseError, match="by another process"),
      occupancy.occupied(tmp_path),
    ):
      pass
  with occupancy.occupied(tmp_path):
    pass
  assert tmp_path.is_dir()


def test_a_folder_that_nothing_came_into_is_removed(tmp_path):
  with occupancy.occupied(tmp_path / "new" / "run"):
    assert occupancy.is_occupied(tmp_path / "new" / "run")
  assert os.listdir(tmp_path / "new") == []
  with occupancy.occupied(tmp_path / "run"):
    (tmp_path / "run" / "log").touch()
  assert os.listdir(tmp_path / "run") == ["log"]


def test_a_folder_that_moved_leaves_the_next_one_alone(tmp_path):
  with occupancy.occupied(tmp_path / "run"):
    (tmp_path / "run").rename(tmp_path / "aside")
    other = occupancy.occupied(tmp_path / "run")
    other.__enter__()
  assert occupancy.is_occupied(tmp_path / "run")
  other.__exit__(None, None, None)
  assert os.listdir(tmp_path) == ["aside"]


def test_looking_does_not_disturb_a_run_that_begins(tmp_path, monkeypatch):
  (tmp_path / occupancy.NAME).touch()
  looking = (tmp_path / occupancy.NAME).open()
  fcntl.flock(looking, fcntl.LOCK_SH)
  # The first pause ends the look.
  clock = types.SimpleNamespace(
    sleep=lambda _: looking.close(), monotonic=time.monotonic
  )
  monkeypatch.setattr(occupancy, "time", clock)
  with occupancy.occupied(tmp_path):
    assert looking.closed


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_a_line_says_so(tmp_path, monkeypatch, capsys, number):
  def refuse(*_):
    raise OSError(number, os.strerror(number))

  monkeypatch.setattr(fcntl, "flock", refuse)
  with occupancy.occupied(tmp_path):
    assert occupancy.is_occupied(tmp_path)
  assert not occupancy.is_occupied(tmp_path)
  assert f"cannot be locked ({os.strerror(number)})" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys):
  (tmp_path / "file").touch()

  def main():
    with occupancy.occupied(tmp_path / "file"):
      pass

  assert errors.run(main) == 1
  (line,) = capsys.readouterr().err.splitlines()
  assert "file" in line


def test_a_run_leaves_no_lock(tmp_path):
  trainer.train(tiny_runs.experiment(steps=5, eval_every=None), tmp_path)
  assert occupancy.NAME not in os.listdir(tmp_path)
