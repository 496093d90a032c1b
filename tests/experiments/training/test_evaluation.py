"""Evaluation counts every example once, whatever the batches and devices."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments.data import files
from experiments.data import loader
from experiments.training import evaluation
from experiments.training import sharding
from experiments.training import tasks
from experiments.training import trainer
from tests.helpers.recipes import sums

Config = sharding.ParallelConfig


@pytest.fixture(scope="module")
def task():
  return sums.EXPERIMENTS["plain"].task()


@pytest.fixture(scope="module")
def variables(task):
  return task.model.init(jax.random.key(0))


def _evaluate(task, variables, batch_size=8, config=None, **kwargs):
  mesh = sharding.make_mesh(config or Config())
  evaluate = evaluation.make(task, mesh, _settings(batch_size), **kwargs)
  return evaluate(variables)


def _settings(batch_size):
  return trainer.TrainConfig(batch_size=batch_size, steps=1, base_rate=0.0)


def test_the_mean_is_over_the_examples(task, variables):
  split = task.eval_split()
  examples = [split.source[i] for i in range(21)]
  batch = {
    name: np.stack([example[name] for example in examples])
    for name in ("inputs", "labels")
  }
  losses = task.losses(variables, batch, rng=None, is_training=False)
  found = _evaluate(task, variables)
  assert (found.examples, found.expected) == (21, 21)
  assert found.split == "tiny eval"
  assert found.metrics == pytest.approx(
    {
      "loss": float(losses.loss.mean()),
      "top_1": float(losses.metrics["top_1"].mean()),
    },
    rel=1e-6,
  )


@pytest.mark.parametrize(
  ("batch_size", "config"),
  [
    (4, Config()),
    (64, Config()),
    (1, Config(data=1)),
    (21, Config(data=1)),
    (6, Config(data=1, fsdp=2)),
  ],
)
def test_batches_and_devices_change_nothing(
  task, variables, batch_size, config
):
  expected = _evaluate(task, variables).metrics
  found = _evaluate(task, variables, batch_size, config).metrics
  assert found == pytest.approx(expected, rel=1e-6)


def test_a_missed_example_is_an_error(task, variables, monkeypatch):
  whole = loader.eval_batches

  def without_the_last(split, **kwargs):
    batches = list(whole(split, **kwargs))
    yield from batches[:-1]

  monkeypatch.setattr(loader, "eval_batches", without_the_last)
  with pytest.raises(evaluation.IncompleteError, match=r"saw 16 .* has 21"):
    _evaluate(task, variables)


def test_padding_does_not_count_even_if_it_is_not_a_number(
  task, variables, monkeypatch
):
  expected = _evaluate(task, variables).metrics
  whole = loader.eval_batches

  def with_broken_padding(split, **kwargs):
    for batch in whole(split, **kwargs):
      batch["inputs"][batch["weight"] == 0] = np.nan
      yield batch

  monkeypatch.setattr(loader, "eval_batches", with_broken_padding)
  assert _evaluate(task, variables).metrics == expected


def test_it_can_be_given_up(task, variables):
  seen = []
  with pytest.raises(evaluation.Abandoned):
    _evaluate(
      task,
      variables,
      watch=evaluation.Watch(
        should_stop=lambda: len(seen) == 2,
        on_progress=lambda *counts: seen.append(counts),
      ),
    )
  assert seen == [(8, 21), (16, 21)]


def test_a_batch_that_does_not_divide_is_made_larger(task):
  seen = []
  watch = evaluation.Watch(on_progress=lambda *counts: seen.append(counts))
  loop = evaluation.Loop(
    split=task.eval_split(),
    batch_size=6,
    mesh=sharding.make_mesh(Config()),
    watch=watch,
  )
  weights = [batch["weight"] for batch in loop.outputs(dict)]
  assert [len(weight) for weight in weights] == [8, 8, 8]
  assert sum(map(sum, weights)) == 21
  assert seen == [(8, 21), (16, 21), (21, 21)]


class _HasEvaluator:
  """A task with an evaluator of its own, which counts as it should not."""

  def __init__(self, examples, skipped=0):
    self.found = evaluation.Evaluation(
      metrics={"score": 1.0},
      examples=examples,
      expected=5,
      split="own",
      skipped=skipped,
    )

  def make_evaluator(self):
    return self._evaluate

  def _evaluate(self, variables, watch):
    assert not watch.should_stop()
    watch.on_progress(5, 5)
    return self.found


def test_a_task_may_have_its_own_evaluator():
  seen = []
  task = _HasEvaluator(4, skipped=1)
  found = _evaluate(
    task,
    None,
    watch=evaluation.Watch(on_progress=lambda *counts: seen.append(counts)),
  )
  assert found is task.found
  assert seen == [(5, 5)]


def test_the_examples_of_its_own_evaluator_are_counted_too():
  with pytest.raises(evaluation.IncompleteError, match=r"saw 4 .* has 5"):
    _evaluate(_HasEvaluator(4), None)


def test_metrics_of_whole_splits_are_not_those_of_a_part():
  message = "metrics of this experiment are of a whole split: leave out --exam"
  with pytest.raises(files.InputError, match=message):
    _evaluate(_HasEvaluator(5), None, only_first=2)


def test_a_task_may_decline_its_own_evaluator(task, variables):
  class Declines(type(task)):
    def make_evaluator(self):
      return None

  declining = Declines(task.model, task.data)
  assert _evaluate(declining, variables) == _evaluate(task, variables)


def test_what_the_paper_reached_elsewhere_does_not_compare():
  found = evaluation.Evaluation(
    metrics={"epe": 2.0}, examples=1, expected=1, split="clean", skipped=0
  )
  result = tasks.Result(
    metric="epe",
    paper=2.5,
    split="final",
    also=(tasks.Result(metric="epe", paper=1.75, split="clean"),),
  )
  assert found.describe(result) == (
    "1 of 1 examples of clean\n  epe 2.0000  (paper 1.75, difference +0.2500)"
  )
  nowhere = dataclasses.replace(result, also=())
  assert found.describe(nowhere).endswith("epe 2.0000")


def test_the_papers_numbers_name_their_data():
  with pytest.raises(ValueError, match="top_1 is given without its split"):
    tasks.Result(metric="top_1", paper=0.8)
  assert tasks.Result(metric="top_1", ours=0.8).split == ""


def test_words():
  found = evaluation.Evaluation(
    metrics={"loss": 0.5, "top_1": 0.79},
    examples=7,
    expected=7,
    split="validation",
  )
  result = tasks.Result(
    metric="top_1", paper=0.8, source="Table 7", split="validation"
  )
  assert found.describe(result) == (
    "7 of 7 examples of validation\n"
    "  loss 0.5000\n"
    "  top_1 0.7900  (paper 0.8, difference -0.0100, Table 7)"
  )
  row = {"step": 3, "kind": "eval", **found.to_row()}
  assert evaluation.from_row(row) == found
