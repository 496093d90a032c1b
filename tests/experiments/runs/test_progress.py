"""Progress is a bar on a terminal and lines elsewhere."""

import io
import subprocess
import sys

import pytest

from experiments.runs import progress
from tests.helpers import folders


class Terminal(io.StringIO):
  def isatty(self):
    return True


@pytest.fixture
def clock(monkeypatch):
  """Seconds since the start, under the name "now"."""
  time = {"now": 0.0}
  monkeypatch.setattr(progress.std, "time", lambda: time["now"])
  return time


def test_work_that_takes_no_time_leaves_no_lines(clock):
  stream = io.StringIO()
  show = progress.counter("images", stream=stream)
  for done in (1, 2, 3):
    clock["now"] += 1
    show(done, 3)
  assert stream.getvalue() == ""


def test_long_work_shows_a_line_now_and_then(clock):
  stream = io.StringIO()
  show = progress.counter("images", unit=" images", stream=stream)
  for done in range(1, 61):
    clock["now"] += 1
    show(done, 60)
  lines = stream.getvalue().splitlines()
  assert lines[0] == "images: 31/60 [00:30<00:29,  1.00 images/s]"
  assert lines[-1] == "images: 60/60 [00:59<00:00,  1.00 images/s]"
  assert len(lines) == 2


def test_a_bar_on_a_terminal_goes_when_it_is_complete(clock):
  stream = Terminal()
  show = progress.counter("evaluating", stream=stream)
  clock["now"] = 1.0
  show(1, 2)
  progress.write("a line that stays", stream)
  clock["now"] = 2.0
  show(2, 2)
  shown = stream.getvalue()
  assert "evaluating:  50%" in shown
  assert "\ra line that stays\n" in shown
  assert shown.rpartition("\r")[-1].strip() == ""


def test_a_bar_shows_the_speed_and_the_time_left(clock):
  stream = io.StringIO()
  with progress.bar(
    "training", 100, first=5, unit=" steps", every=0, stream=stream
  ) as bar:
    clock["now"] = 4.0
    bar.update(10)
  assert stream.getvalue() == "training: 15/100 [00:04<00:34,  2.50 steps/s]\n"


_CLOSED = """
import sys
from experiments.runs import progress
with progress.quiet_stderr(), open(sys.argv[1], "w") as file:
  file.write(str(file.fileno()))
"""


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path):
  command = [sys.executable, "-c", _CLOSED, tmp_path / "number"]
  closed = ["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash"]
  subprocess.run([*closed, *command], cwd=folders.ROOT, check=True)
  assert int((tmp_path / "number").read_text()) > 2
