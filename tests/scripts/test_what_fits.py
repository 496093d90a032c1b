"""The table of recipes and hardware goes on where it ended."""

import json
import subprocess

import pytest

from experiments.cli import registry
from scripts import what_fits

PAGE = {
  "batch_size": 1024,
  "accumulate": 1,
  "fsdp": 1,
  "remat": "all",
  "options": "",
  "milliseconds": 432.0,
  "num_steps": 500_000,
  "training": {
    "reason": "",
    "arguments": 10**9,
    "temporaries": 2 * 10**9,
    "collectives": {"all-reduce": [2, 5 * 10**6]},
  },
}


@pytest.fixture
def commands(monkeypatch):
  """Collects commands; a recipe fits once it may be changed."""
  found = []

  def run(command, **_):
    found.append(command[3:])
    fits = "--fit" in command
    page = PAGE | {"fits": fits, "options": "--train.accumulate 2" * fits}
    if "digits" in command:
      return subprocess.CompletedProcess(command, 2, "", "first\nno such thing")
    return subprocess.CompletedProcess(command, not fits, json.dumps(page), "")

  monkeypatch.setattr(subprocess, "run", run)
  return found


def compile_all(tmp_path, **options):
  page = tmp_path / "hardware.md"
  if not page.exists():
    page.write_text("before\n<!-- what fits -->\nold\n<!-- end -->\nafter\n")
  what_fits.main(
    on=("h100-8",), stored=tmp_path / "found.json", page=page, **options
  )
  return page.read_text(), json.loads((tmp_path / "found.json").read_text())


def test_what_is_stored_is_not_compiled_again(tmp_path, commands):
  text, _ = compile_all(tmp_path, only=("imagenet:fourier",))
  assert [more for *_, more in commands] == ["h100-8", "--fit"]
  assert text.startswith("before\n")
  assert text.endswith("after\n")
  assert "old" not in text
  row = "1.00 + 2.00 of 84.9 GB | 5 MB | 432 ms, 2.5 days |"
  assert f"| `--train.accumulate 2` | {row}" in " ".join(text.split())
  _, found = compile_all(tmp_path, only=("imagenet:fourier", "imagenet:conv"))
  assert len(commands) == 4
  assert sorted(found["h100-8"]) == ["imagenet conv", "imagenet fourier"]


def test_a_recipe_that_cannot_be_compiled_has_a_reason(tmp_path, commands):
  text, found = compile_all(tmp_path, only=("digits:fourier",))
  assert len(commands) == 1
  assert not found["h100-8"]["digits fourier"]["fits"]
  assert "no such thing" in text


def test_main_recipes_come_first():
  names = [recipe.split(":")[0] for recipe in what_fits.recipes()]
  assert names[: len(registry.names())] == registry.names()
  assert len(set(what_fits.recipes())) == len(names)
