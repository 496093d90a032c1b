"""What killed writers leave behind."""

import subprocess
import sys

import pytest

from perceiver.checkpoints import atomic
from tests.helpers import folders

_KILLED = """
import os, signal, sys
from perceiver.checkpoints import atomic
with atomic.file(sys.argv[1]) as first, atomic.file(sys.argv[2]) as second:
  first.touch()
  second.touch()
  os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_killed_writers_left_is_removed(tmp_path):
  paths = (tmp_path / "model.safetensors", tmp_path / "a" / "b" / "list")
  command = [sys.executable, "-c", _KILLED, *map(str, paths)]
  assert subprocess.run(command, cwd=folders.ROOT, check=False).returncode == -9
  others = [".DS_Store", f".{'0' * 32}", ".model.0123.safetensors", "model.bin"]
  for name in others:
    (tmp_path / name).touch()
  files = lambda: {p.name for p in tmp_path.rglob("*") if p.is_file()}
  assert len(files()) == len(others) + 2
  atomic.remove_unfinished(tmp_path)
  assert files() == set(others)


def test_a_failed_write_leaves_nothing(tmp_path):
  with (
    pytest.raises(OSError, match=r"list cannot be written: .*directory"),
    atomic.file(tmp_path / "list"),
  ):
    pass  # Nothing is written.
  with (
    pytest.raises(KeyError),
    atomic.folder(tmp_path / "folder") as temporary,
  ):
    (temporary / "file").write_text({}["no text"])
  assert not list(tmp_path.iterdir())
