"""Training: it learns, it resumes exactly, it stops when it should."""

import dataclasses
import os

import numpy as np
import pytest

from experiments.training import config as training_config
from experiments.training import losses as training_losses
from experiments.training import sharding
from experiments.training import tasks
from experiments.training import trainer
from tests.helpers import tiny_runs
from tests.helpers.recipes import sums

STEPS = tiny_runs.STEPS


# ---------------------------------------------------------------- a whole run


def test_it_learns(tmp_path):
  report = trainer.train(tiny_runs.experiment(steps=40), tmp_path)
  assert report.evaluation.metrics["top_1"] > 0.85
  losses = tiny_runs.losses(tmp_path)
  assert losses[-1] < 0.5 * losses[0]


def test_what_a_run_leaves_behind(finished):
  workdir, report = finished
  assert [row["step"] for row in tiny_runs.rows(workdir, "train")] == [
    3,
    6,
    9,
    12,
  ]
  assert [row["step"] for row in tiny_runs.rows(workdir, "eval")] == [6, 12]
  assert set(tiny_runs.rows(workdir, "train")[0]) == {
    *("step", "kind", "loss", "gradient_norm", "top_1", "learning_rate")
  }
  assert report.step == STEPS
  assert (report.evaluation.examples, report.evaluation.expected) == (21, 21)
  assert report.model_file == workdir / "model.safetensors"
  assert report.plots == (workdir / "picture.txt",)
  names = {path.name for path in workdir.iterdir()}
  assert names >= {"config.json", "provenance.json", "model.safetensors"}
  readme = (workdir / "README").read_text()
  undescribed = {x for x in names if x not in readme}
  events = {x for x in undescribed if x.startswith("events.out.")}
  # The note of the trainer for itself, and what the tiny task plots.
  assert undescribed - events == {"README", "checkpointed.txt", "picture.txt"}
  steps = sorted(int(p.name) for p in (workdir / "checkpoints").iterdir())
  assert steps == [5, 10, 12]


def test_the_same_command_on_a_finished_run_changes_nothing(finished):
  workdir, report = finished
  before = (workdir / "metrics.jsonl").read_bytes()
  assert trainer.train(tiny_runs.experiment(), workdir) == report
  assert (workdir / "metrics.jsonl").read_bytes() == before


def test_the_logged_rate_is_the_one_that_was_used(finished):
  rates = [row["learning_rate"] for row in tiny_runs.rows(finished[0], "train")]
  config = tiny_runs.experiment().train
  schedule, num_steps = training_config.learning_rate(config, 48)
  assert num_steps == STEPS
  assert rates == [float(schedule(step - 1)) for step in (3, 6, 9, 12)]


# ------------------------------------------------------------------- devices


@pytest.mark.parametrize(
  "config",
  [
    sharding.ParallelConfig(data=1),
    # Even the tiny recipe's small arrays are divided.
    sharding.ParallelConfig(fsdp=2, min_sharded_size=8),
  ],
)
def test_devices_change_nothing(finished, tmp_path, config):
  report = trainer.train(tiny_runs.experiment(parallel=config), tmp_path)
  np.testing.assert_allclose(
    tiny_runs.losses(tmp_path), tiny_runs.losses(finished[0]), rtol=0, atol=1e-6
  )
  assert report.evaluation.metrics == pytest.approx(
    finished[1].evaluation.metrics, abs=1e-6
  )


def test_a_batch_that_does_not_divide_is_refused_before_anything_is_made(
  tmp_path,
):
  with pytest.raises(ValueError, match=r"batch_size=6 .* 4 devices"):
    trainer.train(tiny_runs.experiment(batch_size=6), tmp_path / "run")
  assert not (tmp_path / "run").exists()


# -------------------------------------------------------- what must not go on


def test_what_is_not_a_number_stops_and_leaves_good_checkpoints(
  tmp_path, monkeypatch
):
  assert tiny_runs.interrupt_at(5, tiny_runs.experiment(), tmp_path) == 143
  poisoned = sums.DataConfig(poisoned=True)
  monkeypatch.setattr(training_config, "MAY_DIFFER", ("data.poisoned",))
  with pytest.raises(training_losses.NonFiniteError) as caught:
    trainer.train(tiny_runs.experiment(poisoned), tmp_path)
  message = str(caught.value)
  assert "loss is not a finite number at step" in message or (
    "gradient_norm is not a finite number at step" in message
  )
  assert "The checkpoint of step 5 is intact: go on" in message
  assert os.listdir(tmp_path / "checkpoints") == ["5"]
  rows = (tmp_path / "metrics.jsonl").read_text()
  assert "NaN" not in rows


@pytest.mark.parametrize(
  ("name", "value"),
  [("loss", lambda x: x.mean()), ("top_1", lambda x: x[:, None])],
)
def test_losses_must_be_per_example(tmp_path, monkeypatch, name, value):
  losses = sums.Task.losses

  def wrong(*args, **kwargs):
    found = losses(*args, **kwargs)
    if name == "loss":
      return found._replace(loss=value(found.loss))
    return found._replace(metrics={name: value(found.metrics[name])})

  monkeypatch.setattr(sums.Task, "losses", wrong)
  with pytest.raises(ValueError, match=f"Task must give '{name}' as one"):
    trainer.train(tiny_runs.experiment(), tmp_path)


def test_the_trainers_own_names_are_taken(tmp_path, monkeypatch):
  losses = sums.Task.losses

  def wrong(*args, **kwargs):
    found = losses(*args, **kwargs)
    return found._replace(metrics={"gradient_norm": found.loss})

  monkeypatch.setattr(sums.Task, "losses", wrong)
  with pytest.raises(ValueError, match="gradient_norm"):
    trainer.train(tiny_runs.experiment(), tmp_path)


def test_a_warm_up_as_long_as_the_training_is_refused_before_it(tmp_path):
  with pytest.raises(training_config.LengthError, match="warm-up is 4 steps"):
    trainer.train(tiny_runs.experiment(steps=4), tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_an_empty_split_is_named():
  split = sums.Experiment(train=sums.MINI.train).task().train_split()
  split = dataclasses.replace(split, source=[])
  with pytest.raises(ValueError, match="'tiny train' has no examples"):
    tasks.batch_shapes(split, 4)
