"""The two routes through the code are those that docs/design.md lists.

A model is traced and a run is made while every function of ours that is called
leaves its file's name; each must be on the route, or in one of its side rooms.
"""

import pathlib
import re
import sys
import threading

import jax
import pytest

from experiments import train
from experiments.cli import registry
from experiments.image_classification.imagenet import configs
import perceiver
from tests.helpers import folders

_PAGE = folders.ROOT / "docs" / "design.md"
_OURS = ("perceiver", "experiments")
_OPTIMIZED = 0x1  # a function's flag, which bodies of modules and classes lack


def listed(heading: str) -> list[str]:
  """Returns the files and folders of a table of docs/design.md."""
  text = _PAGE.read_text(encoding="utf-8")
  _, _, after = text.partition(f"<!-- {heading} -->")
  table, end, _ = after.partition("<!-- end -->")
  assert end, heading
  return re.findall(r"^\| `([^`]+)` \|", table, flags=re.MULTILINE)


class Calls:
  """Collects the files of ours whose functions are called."""

  def __init__(self):
    self._codes = set()

  def __enter__(self):
    threading.setprofile(self._note)
    sys.setprofile(self._note)
    return self

  def __exit__(self, *_):
    sys.setprofile(None)
    threading.setprofile(None)

  def _note(self, frame, event, _):
    if event == "call":
      self._codes.add(frame.f_code)

  def files(self):
    """Returns their paths, relative to the project's root."""
    found = set()
    for code in self._codes:
      path = pathlib.Path(code.co_filename)
      if code.co_flags & _OPTIMIZED and path.is_relative_to(folders.ROOT):
        found.add(path.relative_to(folders.ROOT).as_posix())
    return {path for path in found if path.startswith(_OURS)}


def strangers(files: set[str], route: list[str], rooms: list[str]) -> set[str]:
  """Returns the files that are neither on a route nor in its side rooms."""
  inside = lambda path, room: (
    path == room or (room.endswith("/") and path.startswith(room))
  )
  return {
    path
    for path in files
    if path not in route and not any(inside(path, room) for room in rooms)
  }


def lines(route: list[str]) -> int:
  return sum((folders.ROOT / path).read_text().count("\n") for path in route)


def test_the_architecture():
  model = perceiver.create("imagenet_fourier")
  jax.clear_caches()
  with Calls() as calls:
    shapes = model.shapes()
    jax.eval_shape(model.apply, shapes, *model.config.example())
  route, rooms = listed("architecture route"), listed("architecture side rooms")
  assert not strangers(calls.files(), route, rooms)
  executed = calls.files()
  # The file of the model's constants is read, not called.
  assert not set(route[1:]) - executed
  assert len(route) <= 7
  assert lines(route) <= 1200


_TINY = (
  ("--model.perceiver.encoder.num-latents", "4"),
  ("--train.steps", "2"),
  ("--train.batch-size", "4"),
  ("--train.schedule.warmup-steps", "1"),
)


def test_the_training(tmp_path):
  registry.choices("imagenet")
  options = [word for option in _TINY for word in option]
  options += ["--data.source", f"synthetic:{tmp_path / 'data'}"]
  with Calls() as calls:
    code = train.main(
      ["imagenet", "--mini", "--workdir", str(tmp_path / "run"), *options]
    )
  assert code == 0
  assert configs.MINI
  route, rooms = listed("training route"), listed("training side rooms")
  executed = calls.files()
  assert not strangers(executed, route, rooms)
  assert not set(route) - executed
  assert len(route) <= 6
  assert lines(route) <= 1000
  step = (folders.ROOT / route[-1]).read_text()
  assert re.search(r"optimizer\.update\(", step)
  assert re.search(r"apply_updates\(", step)


def test_a_file_that_is_nowhere_listed_is_found():
  route, rooms = ["a/b.py"], ["a/c/", "a/d.py"]
  files = {"a/b.py", "a/c/x.py", "a/d.py"}
  assert not strangers(files, route, rooms)
  assert strangers({*files, "a/e.py"}, route, rooms) == {"a/e.py"}


@pytest.mark.parametrize("heading", ["architecture route", "training route"])
def test_the_files_of_a_route_exist(heading):
  assert all((folders.ROOT / path).is_file() for path in listed(heading))
