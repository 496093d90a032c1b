"""Lists of experiments and runs; folders of runs, and what is none."""

import contextlib
import os
import select
import shutil
import subprocess
import sys

import chex
import pytest

from experiments import evaluate
from experiments import list as list_experiments
from experiments.cli import errors
from experiments.cli import registry
import perceiver
from scripts import convert_checkpoint
from tests.helpers import folders

TINY = "tests.helpers.recipes.sums"


def test_list(tiny, capsys):
  assert list_experiments.main(["tiny"]) == 0
  _, _, command, header, *rows = capsys.readouterr().out.splitlines()
  assert command == "python -m experiments.train tiny --recipe NAME | --mini"
  assert header.split() == list(list_experiments._SIZED_HEADER)
  # A metric and its split are broken into lines.
  assert [row.split()[0] for row in rows[:4]] == [
    "plain",
    "top",
    "wide",
    "mini",
  ]
  # 4 x 8 + 8 weights and biases, 2 x 8 of the norm, 8 x 2 + 2 at the end.
  assert rows[0].split()[1] == "74"
  assert rows[0].split()[3:] == ["tiny", "eval", "0.9", "–"]
  assert rows[1].split() == ["top", "1"]


def test_lists_fit_a_terminal():
  for name in registry.names():
    table = list_experiments._table(
      [
        (c.recipe, "204,278,288", "0.0123", *list_experiments._result(c.result))
        for c in registry.choices(name)
      ],
      list_experiments._SIZED_HEADER,
      list_experiments._SIZED_WIDTHS,
    )
    assert max(map(len, table.splitlines())) <= 80


def test_a_part_of_the_list():
  assert registry.matching(()) == registry.names()
  assert registry.matching(("image", "glue")) == ["glue", "imagenet"]
  assert registry.matching(("optical-flow", TINY)) == ["optical_flow", TINY]
  with pytest.raises(errors.UsageError, match="Did you mean 'digits'"):
    registry.matching(("digist",))


def test_runs(run, capsys):
  assert list_experiments.main(["--runs", str(run.parent)]) == 0
  paragraphs = capsys.readouterr().out.split("\n\n")
  (found,) = [p for p in paragraphs if p.startswith(f"{run}\n")]
  words = dict(line.split(maxsplit=1) for line in found.splitlines()[1:])
  assert (words["experiment"], words["step"]) == (TINY, "6/6")
  assert "loss 0." in words["evaluation"]
  assert words["devices"] == "4 × 1 cpu"


def test_a_run_is_converted_before_it_is_finished(run, tmp_path):
  folder = shutil.copytree(run, tmp_path / "run")
  (folder / "model.safetensors").unlink()
  assert convert_checkpoint.main([str(folder), str(tmp_path / "model")]) == 0
  (_, found), (_, expected) = (
    perceiver.load(path)
    for path in (tmp_path / "model", run / "model.safetensors")
  )
  chex.assert_trees_all_equal(found, expected)


@pytest.mark.parametrize(
  ("path", "message"),
  [
    ("{empty}", "is not the folder of a run: it has no config.json"),
    ("runs/none", "is not the folder of a run: it does not exist"),
    ("{run}s", "Did you mean "),
    ("{run}/model.safetensors", "EXPERIMENT --checkpoint"),
  ],
)
def test_paths_that_are_no_runs(run, tmp_path, capsys, path, message):
  assert evaluate.main([path.format(run=run, empty=tmp_path)]) == 2
  assert message in capsys.readouterr().err


def test_a_terminal_sees_at_once_that_a_command_has_begun():
  reader, terminal = os.openpty()
  command = [sys.executable, "-m", "experiments.prepare", "--help"]
  with (
    contextlib.closing(os.fdopen(reader, "rb", buffering=0)) as shown,
    subprocess.Popen(
      command, cwd=folders.ROOT, stdout=subprocess.DEVNULL, stderr=terminal
    ) as process,
  ):
    os.close(terminal)
    try:
      assert select.select([shown], [], [], 60)[0]
      assert shown.read(7) == b"loading"
      assert process.wait(60) == 0
    finally:
      process.kill()


def test_every_choice_of_options_has_a_folder_of_the_quickstart(tmp_path):
  for name, text in {
    "scripts/install.sh": "true",
    ".venv/bin/python": 'echo "$@" >> commands',
  }.items():
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
  script = tmp_path / "scripts" / "quickstart.sh"
  shutil.copy(folders.ROOT / "scripts" / "quickstart.sh", script)
  for options in ([], ["--train.seed", "1"], ["--data.x", "/a b"]):
    subprocess.run([script, *options], check=True, capture_output=True)
  lines = (tmp_path / "commands").read_text().splitlines()
  runs = ["quickstart", "quickstart-train.seed-1", "quickstart-data.x--a-b"]
  for name, train_line, evaluate_line in zip(runs, lines[::2], lines[1::2]):
    assert f"--workdir runs/{name}" in train_line
    assert evaluate_line.endswith(f"--checkpoint runs/{name}/model.safetensors")
