"""The best model of a run, kept beside the last."""

import dataclasses
import json
import types

import jax
import numpy as np
import pytest

from experiments.cli import candidates
from experiments.cli import following
from experiments.runs import log
from experiments.training import best
from experiments.training import evaluation
from experiments.training import trainer
import perceiver
from perceiver.checkpoints import store
from tests.helpers import tiny_models
from tests.helpers import tiny_runs

NAMES = tuple("abcdefg")


@pytest.fixture(scope="module")
def model():
  return perceiver.create(tiny_models.classifier())


@pytest.fixture(scope="module")
def variables(model):
  return jax.device_get(model.init(jax.random.key(0)))


@pytest.fixture
def run(tmp_path, model, variables):
  """A run whose evaluations are given; returns the lines of each."""

  def evaluated(step, value, metric="top_1"):
    found = evaluation.Evaluation(
      metrics={"loss": -value, "top_1": value},
      examples=2,
      expected=2,
      split="tiny eval",
    )
    # Variables that show which step they are of.
    params = jax.tree.map(lambda x: np.full_like(x, step), variables.params)
    lines = best.keep(
      tmp_path,
      metric,
      step,
      found,
      types.SimpleNamespace(model=model, class_names=lambda: NAMES),
      lambda: variables._replace(params=params),
    )
    row = {"step": step, "kind": "eval", **found.to_row()}
    with (tmp_path / log.METRICS).open("a") as file:
      file.write(json.dumps(row) + "\n")
    return lines

  return tmp_path, evaluated


def kept(folder):
  """Returns the step of the model that is kept."""
  model, (params, _) = store.load(folder / best.FILE)
  (step,) = {float(np.ravel(x)[0]) for x in jax.tree.leaves(params)}
  notes = store.notes(folder / best.FILE)
  assert notes["step"] == f"{step:g}"
  assert model.class_names == NAMES
  return step


@pytest.mark.parametrize("metric", ["top_1", "-loss"])
def test_the_best_is_kept_and_both_are_reported(run, metric):
  folder, evaluated = run
  for step, value, expected in (
    (5, 0.25, 5),
    (10, 0.75, 10),
    (15, 0.5, 10),
    (20, 0.75, 10),  # the earlier of equals
  ):
    first, second = evaluated(step, value, metric)
    assert first.startswith(f"step {step}: loss {-value:.4g}")
    assert kept(folder) == expected
    assert f"at step {expected}, in {folder / best.FILE}; it is sel" in second
  name = metric.removeprefix("-")
  assert f"best: {name} {0.75 if name == 'top_1' else -0.75}" in second


def test_nothing_is_kept_unless_that_is_wanted(run):
  folder, evaluated = run
  (line,) = evaluated(5, 0.5, None)
  assert line == "step 5: loss -0.5, top_1 0.5 on 2 of 2 examples of tiny eval"
  assert not (folder / best.FILE).exists()


def test_a_best_model_of_steps_that_were_taken_back_does_not_count(run):
  folder, evaluated = run
  evaluated(5, 0.9)
  (folder / "metrics.jsonl").write_text("")  # as after --from-step
  evaluated(4, 0.1)
  assert kept(folder) == 4


@pytest.mark.parametrize("metric", ["top_1", "-loss"])
def test_a_better_evaluation_whose_model_was_not_kept_is_named(run, metric):
  folder, evaluated = run
  evaluated(5, 0.9, None)
  evaluated(10, 0.25, metric)
  _, line = evaluated(15, 0.5, metric)
  assert kept(folder) == 15
  value = 0.9 if metric == "top_1" else -0.9
  assert line.endswith(f". That of step 5, {value}, was not kept")
  assert store.notes(folder / best.FILE)["selected"].startswith("the best kept")
  _, line = evaluated(20, 0.95, metric)
  assert "was not kept" not in line


def test_numbers_that_are_none(run):
  folder, evaluated = run
  assert len(evaluated(1, float("nan"))) == 2
  assert not (folder / best.FILE).exists()
  evaluated(5, 0.5)
  lines = evaluated(10, float("nan"))
  assert "loss, top_1 over 2 examples is not a number" in lines[1]
  assert kept(folder) == 5


def test_metrics_that_are_not_there(run):
  _, evaluated = run
  with pytest.raises(ValueError, match="best_metric is -map; expected one of"):
    evaluated(5, 0.5, "-map")


def test_a_metric_that_there_is_not_is_refused_before_anything_is_written(
  tmp_path,
):
  tiny = tiny_runs.experiment(best_metric="top_2")
  message = r"best_metric is top_2; expected one of \['loss', 'top_1'\]"
  with pytest.raises(ValueError, match=message):
    trainer.train(tiny, tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_a_follower_does_not_evaluate_in_place_of_the_run(tmp_path):
  # Of the metric, higher is better: the first one.
  tiny = tiny_runs.experiment(best_metric="loss", checkpoint_every=12)
  assert tiny_runs.interrupt_at(6, tiny, tmp_path) == 143
  following.follow(tiny, tmp_path)
  (row,) = tiny_runs.rows(tmp_path, "eval")
  assert row["step"] == 6
  assert row["follower"]
  assert evaluation.from_row(row).metrics.keys() == {"loss", "top_1"}
  trainer.train(tiny, tmp_path)
  first, last = tiny_runs.rows(tmp_path, "eval")
  assert (first["step"], last["step"]) == (6, 12)
  assert "follower" not in first
  assert first["loss"] == pytest.approx(row["loss"], rel=1e-6)
  assert first["loss"] > last["loss"]
  assert store.notes(tmp_path / best.FILE)["step"] == "6"


def test_a_training_keeps_it_and_its_evaluation_states_so(tmp_path):
  tiny = tiny_runs.experiment(eval_every=4, best_metric="-loss")
  report = trainer.train(tiny, tmp_path)
  rows = tiny_runs.rows(tmp_path, "eval")
  lowest = min(rows, key=lambda row: row["loss"])
  file = tmp_path / best.FILE
  assert store.notes(file)["step"] == str(lowest["step"])
  assert report.step == rows[-1]["step"]
  candidate = candidates.load(tiny, file)
  evaluated = candidates.evaluator(candidate)(candidate.variables)
  found = evaluated.metrics["loss"]
  assert found == pytest.approx(lowest["loss"], rel=1e-5)
  assert candidate.origin.endswith("selected on what it is evaluated on")
  changed = dataclasses.replace(tiny.train, best_metric=None)
  trainer.train(dataclasses.replace(tiny, train=changed), tmp_path)
