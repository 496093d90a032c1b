"""The last line of a command that fails."""

import errno
import os
import subprocess
import sys

import pytest

from experiments.cli import errors
from experiments.data import files
from tests.helpers import folders

_REASONS = {
  errno.ENOENT: "No such file or directory",
  errno.EACCES: "Permission denied",
  errno.ENOSPC: "No space left on device",
  errno.EROFS: "Read-only file system",
  errno.ENAMETOOLONG: "File name too long",
  errno.EIO: "Input/output error",
}


def _raise(error):
  def main():
    raise error

  return main


_SIGNALLED = """
import atexit, os, signal, time
atexit.register(print, "torn down")
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(100)
"""


def test_a_signal_ends_a_program_without_tearing_it_down(tmp_path):
  """JAX's threads may be computing, and would crash."""
  (tmp_path / "own.py").write_text(_SIGNALLED)
  result = subprocess.run(
    [sys.executable, "-m", "experiments.train", tmp_path / "own.py"],
    cwd=folders.ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert (result.returncode, result.stdout, result.stderr) == (143, "", "")


def test_devices_that_are_not_there_are_one_line():
  result = subprocess.run(
    [sys.executable, "-m", "experiments.train", "digits", "--mini"],
    cwd=folders.ROOT,
    env={**os.environ, "JAX_PLATFORMS": "nonsense"},
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 1
  (line,) = result.stderr.splitlines()
  assert line.startswith("error: Unable to initialize backend 'nonsense'")


@pytest.mark.parametrize(
  ("error", "message", "code"),
  [
    (files.InputError("a is b; expected c."), "a is b; expected c.", 1),
    (errors.UsageError("no such thing"), "no such thing", 2),
    (FileNotFoundError("There is no a."), "There is no a.", 1),
    *((OSError(n, x, "a/b"), f"a/b: {x}", 1) for n, x in _REASONS.items()),
  ],
)
def test_what_a_person_can_mend_is_one_line(capsys, error, message, code):
  assert errors.run(_raise(error)) == code
  assert capsys.readouterr().err == f"error: {message}\n"


@pytest.mark.parametrize(
  "error", [KeyError("a"), OSError("without a file"), ConnectionResetError()]
)
def test_other_errors_keep_their_traceback(error):
  with pytest.raises(type(error)):
    errors.run(_raise(error))


class _Complains:
  def __del__(self):
    os.write(2, b"never retrieved\n")


def test_the_message_is_the_last_line(capfd):
  def main():
    held = _Complains()
    cycle = [held]
    cycle.append(cycle)
    raise files.InputError("a is b")

  assert errors.run(main) == 1
  assert capfd.readouterr().err == "never retrieved\nerror: a is b\n"
