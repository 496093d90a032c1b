"""Runs on a disk that is full: the last line names the path and the reason."""

import contextlib
import errno
import os
import resource
import shutil
import subprocess
import sys

import pytest

from experiments import train
from experiments.runs import log
from experiments.runs import plots
from experiments.training import checkpoints as training_checkpoints
from experiments.training import silence
from experiments.training import trainer
import perceiver
from perceiver.checkpoints import atomic
from tests.helpers import faulty
from tests.helpers import folders
from tests.helpers.recipes import sums

SETTINGS = {"steps": 12, "eval_every": 6, "checkpoint_every": 5}
COMMAND = ("tests.helpers.recipes.sums", "--mini", "--workdir")


def _train(workdir, **settings):
  return trainer.train(faulty.experiment(**{**SETTINGS, **settings}), workdir)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
  workdir = tmp_path_factory.mktemp("undisturbed")
  _train(workdir)
  return workdir


@contextlib.contextmanager
def _full_disk(largest=100):
  """Limits the size of all files, in bytes."""
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
  try:
    yield
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("in_background", [False, True])
def test_a_full_disk_costs_an_interval(
  undisturbed, tmp_path, monkeypatch, in_background
):
  save = training_checkpoints.Checkpoints.save

  def without_room(self, step, items):
    if step < 10:
      save(self, step, items)
      return
    self.wait()
    with _full_disk():
      save(self, step, items)
      self.wait()

  with monkeypatch.context() as patched:
    patched.setattr(training_checkpoints.Checkpoints, "save", without_room)
    with pytest.raises(training_checkpoints.SaveError) as caught:
      _train(tmp_path, checkpoint_in_background=in_background)
  message = str(caught.value)
  assert "The checkpoint of step 10 cannot be written in" in message
  assert message.endswith("That of step 5 is intact.")
  _train(tmp_path)
  assert faulty.contents(tmp_path) == faulty.contents(undisturbed)


def test_a_full_disk_is_explained(tmp_path, monkeypatch, capsys):
  write = log.Reporter.write

  def without_room(self, *arguments):
    with _full_disk(0):
      write(self, *arguments)

  monkeypatch.setattr(log.Reporter, "write", without_room)
  assert train.main([*COMMAND, str(tmp_path)]) == 1
  error = capsys.readouterr().err
  assert f"error: {tmp_path}/metrics.jsonl cannot be written: File too" in error
  assert "Traceback" not in error


def _write_curve(self, variables, workdir):
  return plots.learning_curve(workdir, [plots.Panel("loss", "loss")])


@pytest.mark.parametrize(
  ("place", "name", "file"),
  [
    (sums.Experiment, "task", "config.json"),
    (perceiver, "save", "model.safetensors"),
    (sums.Task, "plots", "figures/curve.png"),
  ],
)
def test_a_disk_that_becomes_full(
  tmp_path, monkeypatch, capsys, place, name, file
):
  """The disk is full from the first call of a function on."""
  monkeypatch.setattr(sums.Task, "plots", _write_curve)
  function = getattr(place, name)

  def full(path):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  def fill(*arguments, **options):
    monkeypatch.setattr(atomic, "sync", full)
    return function(*arguments, **options)

  monkeypatch.setattr(place, name, fill)
  assert train.main([*COMMAND, str(tmp_path)]) == 1
  error = capsys.readouterr().err
  last = error.splitlines()[-1]
  message = f"error: {tmp_path}/{file} cannot be written: No space left"
  assert last.startswith(message)
  assert "Traceback" not in error


@pytest.mark.parametrize("options", [[], ["--train.checkpoint-in-background"]])
def test_on_a_disk_that_is_full_the_last_line_says_so(tmp_path, options):
  mounted = tmp_path / "disk"
  mounted.mkdir()
  size = ["-t", "tmpfs", "-o", "size=40k", "tmpfs", str(mounted)]
  # Elsewhere files may not grow: almost as bad.
  is_mounted = shutil.which("mount") is not None and not subprocess.call(
    ["mount", *size], stderr=subprocess.DEVNULL
  )
  command = ["-m", "experiments.train", *COMMAND, str(mounted / "run")]
  try:
    found = subprocess.run(
      [sys.executable, *command, *options],
      cwd=folders.ROOT,
      capture_output=True,
      text=True,
      check=False,
      preexec_fn=None if is_mounted else _limit_files,
    )
  finally:
    if is_mounted:
      subprocess.run(["umount", "-l", str(mounted)], check=True)
  assert found.returncode == 1
  assert "Traceback" not in found.stderr
  last = found.stderr.splitlines()[-1]
  assert last.startswith("error: The checkpoint of step 5 cannot be written in")
  reason = "No space left on device" if is_mounted else "File too large"
  assert reason in last


def _limit_files():
  resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))


def test_threads_that_find_their_loop_closed_are_not_heard(monkeypatch):
  heard = []
  monkeypatch.setattr(sys, "unraisablehook", heard.append)

  def report(message):
    unraisable = type("Unraisable", (), {"exc_value": RuntimeError(message)})
    sys.unraisablehook(unraisable)

  quiet = silence.Silence()
  for message in ("Event loop is closed", "another"):
    report(message)
  assert [str(unraisable.exc_value) for unraisable in heard] == ["another"]
  quiet.end()
  report("Event loop is closed")
  assert len(heard) == 2
