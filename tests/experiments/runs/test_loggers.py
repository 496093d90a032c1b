"""Loggers beside the rows of a run, above all Weights & Biases.

A stand-in module has the part of its interface that is used; the real one was
tried with the same calls.
"""

import sys
import types

import pytest

from experiments.data import files
from experiments.runs import log
from experiments.runs import loggers
from experiments.training import config as training_config
from experiments.training import trainer
from tests.helpers import tiny_runs


class Run:
  """A run at Weights & Biases."""

  def __init__(self, settings):
    self.settings = settings
    self.metrics, self.rows, self.is_finished = [], [], False

  def define_metric(self, name, step_metric):
    self.metrics.append((name, step_metric))

  def log(self, row):
    assert not self.is_finished
    self.rows.append(row)

  def finish(self):
    self.is_finished = True


@pytest.fixture
def runs(monkeypatch):
  """The runs that were begun, in order."""
  begun = []

  def init(**settings):
    begun.append(Run(settings))
    return begun[-1]

  monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init))
  return begun


def reporter(folder, first_step=0):
  return log.Reporter(
    folder, first_step=first_step, total_steps=9, wandb="project"
  )


def test_a_run_keeps_its_id(tmp_path, runs):
  (tmp_path / "config.json").write_text('{"a": 1}')
  with reporter(tmp_path) as first:
    first.write("train", 3, {"loss": 0.5, "skipped": 1})
    first.write("eval", 3, {"top_1": 0.25, "split": "held out"})
  # It is killed, and steps after the checkpoint are made again.
  with reporter(tmp_path, first_step=2) as second:
    second.write("train", 3, {"loss": 0.5})
  other = tmp_path / "other"
  other.mkdir()
  (other / "config.json").write_text("{}")
  reporter(other).close()
  ids = [run.settings["id"] for run in runs]
  assert ids[0] == ids[1] != ids[2]
  assert runs[0].settings == {
    "project": "project",
    "id": (tmp_path / "wandb-id.txt").read_text().strip(),
    "name": tmp_path.name,
    "dir": str(tmp_path),
    "resume": "allow",
    "settings": {"console": "off"},
    "config": {"a": 1},
  }
  assert runs[0].metrics == [("*", "step")]
  assert runs[0].rows == [
    {"train/loss": 0.5, "step": 3},
    {"eval/top_1": 0.25, "step": 3},
  ]
  assert runs[1].rows == [{"train/loss": 0.5, "step": 3}]
  assert all(run.is_finished for run in runs)


def test_trouble_there_does_not_end_the_run(tmp_path, runs, capsys):
  (tmp_path / "config.json").write_text("{}")
  with reporter(tmp_path) as opened:
    runs[0].is_finished = True  # It refuses rows from here on.
    for step in (1, 2):
      opened.write("train", step, {"loss": 0.5})
  assert len(log.read_rows(tmp_path / "metrics.jsonl")) == 2
  warning = "warning: no more is sent to Weights & Biases"
  assert capsys.readouterr().err.count(warning) == 1


def test_what_does_not_begin_is_refused(tmp_path, monkeypatch):
  def init(**unused):
    raise RuntimeError("no key.")

  monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init))
  (tmp_path / "config.json").write_text("{}")
  with pytest.raises(files.InputError, match=r"no key\. WANDB_MODE=offline"):
    reporter(tmp_path)


def test_absence_is_answered_before_anything_is_written(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "wandb", None)
  with pytest.raises(files.InputError, match=r"install -e '\.\[wandb\]'"):
    trainer.train(tiny_runs.experiment(wandb="project"), tmp_path / "run")
  assert not (tmp_path / "run" / "config.json").exists()
  loggers.check(None)


def test_a_whole_run_is_logged(tmp_path, runs):
  trainer.train(tiny_runs.experiment(wandb="project"), tmp_path / "run")
  (run,) = runs
  rows = log.read_rows(tmp_path / "run" / "metrics.jsonl")
  expected = {
    (f"{row['kind']}/{name}", row["step"], value)
    for row in rows
    for name, value in row.items()
    if isinstance(value, float)
  }
  found = {(name, row["step"], row[name]) for row in run.rows for name in row}
  found = {x for x in found if x[0] not in ("step", "train/steps_per_second")}
  assert found == expected
  assert run.settings["config"]["train"]["wandb"] == "project"
  assert run.is_finished


def test_it_may_be_chosen_or_dropped_while_a_run_goes_on():
  assert "train.wandb" in training_config.MAY_DIFFER
