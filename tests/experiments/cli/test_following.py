"""Runs that are looked at while they go on."""

import json
import os
import shutil
import types

import pytest

from experiments import evaluate
from experiments.cli import candidates
from experiments.cli import following
from experiments.runs import log
from experiments.runs import occupancy
from tests.helpers import faulty
from tests.helpers import process_groups

TINY = "tests.helpers.recipes.sums"
SETTINGS = {
  "steps": 30,
  "eval_every": 20,
  "checkpoint_every": 5,
  "keep": 100,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  """The folder of a run with a checkpoint every five steps."""
  workdir = tmp_path_factory.mktemp("finished") / "run"
  process = process_groups.Process(
    workdir.with_name("output"), faulty.train, workdir, SETTINGS
  )
  assert process.join() == 0, process.output()
  # As the command would note it.
  starts = json.loads((workdir / "provenance.json").read_text())
  starts[-1]["experiment"] = TINY
  (workdir / "provenance.json").write_text(json.dumps(starts))
  return workdir


@pytest.fixture
def copy(finished, tmp_path):
  return shutil.copytree(finished, tmp_path / "run")


def _evaluations(workdir):
  rows = log.read_rows(workdir / log.METRICS)
  return {row["step"]: row for row in rows if row["kind"] == "eval"}


@pytest.mark.parametrize(
  "arguments",
  [
    ["{}/checkpoints/10"],
    ["{}/checkpoints/10/"],
    ["{}", "--step", "10"],
    [TINY, "--checkpoint", "{}/checkpoints/10"],
    [TINY, "--checkpoint", "{}", "--step", "10"],
  ],
)
def test_one_checkpoint_of_a_run(finished, capsys, arguments):
  given = [argument.format(finished) for argument in arguments]
  assert evaluate.main(given) == 0
  printed = capsys.readouterr().out
  assert f"checkpoint of step 10 in {finished}/checkpoints\n" in printed
  assert "21 of 21 examples of tiny eval" in printed


@pytest.mark.parametrize(
  ("arguments", "code", "message"),
  [
    (["{}/checkpoints/7"], 1, "no checkpoint of step 7 in"),
    (["{}", "--step", "7"], 1, "there are those of [5, 10, 15, 20, 25, 30]"),
    (["{}/checkpoints/10", "--step", "5"], 2, "not the checkpoint of step 5"),
    (["{}/checkpoints/all"], 2, "is not the folder of a run"),
    ([TINY, "--checkpoint", "{}/model.safetensors", "--step", "5"], 2, "need"),
    (["{}", "--follow", "--step", "5"], 2, "--follow goes without --step"),
    (["{}", "--follow", "--latents", "all"], 2, "--report, --calibrate"),
    (["{}/checkpoints/0", "--follow"], 2, "--follow goes without --step"),
  ],
)
def test_checkpoints_that_there_are_not(
  finished, capsys, arguments, code, message
):
  given = [argument.format(finished) for argument in arguments]
  assert evaluate.main(given) == code
  assert message in capsys.readouterr().err


def test_a_run_that_has_ended_is_completed(copy, capsys):
  before = _evaluations(copy)
  assert sorted(before) == [20, 30]
  assert evaluate.main([str(copy), "--follow"]) == 0
  found = _evaluations(copy)
  assert sorted(found) == [5, 10, 15, 20, 25, 30]
  assert {step: found[step] for step in before} == before
  assert found[10]["examples"] == 21
  assert f"No run is going on in {copy}." in capsys.readouterr().err
  lines = (copy / log.METRICS).read_bytes()
  assert evaluate.main([str(copy), "--follow"]) == 0
  assert (copy / log.METRICS).read_bytes() == lines


def test_evaluations_that_come_late_are_in_order(copy):
  log.add_row(copy, "eval", 5, {"loss": 1.0})
  steps = [row["step"] for row in log.read_rows(copy / log.METRICS)]
  assert steps == sorted(steps)


def test_a_run_is_followed_while_it_goes_on(copy, monkeypatch, capsys):
  """Checkpoints come and go, and the run ends, whenever the follower waits."""
  later = copy.with_name("later")
  for step in (15, 20, 25, 30):
    shutil.move(copy / "checkpoints" / f"{step}", later / f"{step}")
  rows = (copy / log.METRICS).read_text().splitlines(keepends=True)
  (copy / log.METRICS).write_text("".join(r for r in rows if "eval" not in r))
  running = occupancy.occupied(copy)
  running.__enter__()
  came, waited = iter((15, 20, 25, 30)), []

  def wait(seconds):
    waited.append(sorted(_evaluations(copy)))
    step = next(came, None)
    if step is None:
      running.__exit__(None, None, None)
      return
    shutil.move(later / f"{step}", copy / "checkpoints" / f"{step}")
    if step == 25:  # The run removes it just now.
      shutil.rmtree(copy / "checkpoints" / "25" / "params")
      wait(seconds)

  # Of this module alone: loaders of other tests sleep in threads of their own.
  monkeypatch.setattr(following, "time", types.SimpleNamespace(sleep=wait))
  assert evaluate.main([str(copy), "--follow"]) == 0
  # Those of steps 20 and 30 are the run's own, until it has ended.
  assert waited == [[5, 10], *[[5, 10, 15]] * 4]
  assert sorted(_evaluations(copy)) == [5, 10, 15, 20, 30]
  assert "step 25 was removed while it was read" in capsys.readouterr().err


def test_a_run_that_began_anew_gets_no_numbers_of_the_old_one(
  copy, monkeypatch, capsys
):
  evaluator = candidates.evaluator

  def replaced(found):
    old = copy.rename(copy.with_name("old"))
    shutil.copytree(old, copy)
    return evaluator(found)

  monkeypatch.setattr(candidates, "evaluator", replaced)
  before = (copy / log.METRICS).read_bytes()
  assert evaluate.main([str(copy), "--follow"]) == 1
  assert (copy / log.METRICS).read_bytes() == before
  error = capsys.readouterr().err.splitlines()[-1]
  assert error.startswith(f"error: {copy} was moved, removed or replaced")


def test_a_run_and_its_follower_share_the_log(tmp_path):
  workdir = tmp_path / "run"
  run = process_groups.Process(
    tmp_path / "training",
    faulty.train,
    workdir,
    {**SETTINGS, "eval_every": None, "log_every": 1},
    None,
    0.01,
  )
  run.wait_for("training: 1/")
  follower = process_groups.Process(
    tmp_path / "following",
    faulty.evaluate,
    TINY,
    *("--checkpoint", str(workdir), "--follow"),
  )
  assert run.join() == 0
  assert follower.join() == 0, follower.output()
  rows = log.read_rows(workdir / log.METRICS)
  train = [row["step"] for row in rows if row["kind"] == "train"]
  assert train == [*range(1, 31)]
  assert sorted(_evaluations(workdir)) == [5, 10, 15, 20, 25, 30]
  assert occupancy.NAME not in os.listdir(workdir)
