"""Short runs of the tiny experiment, interrupted and compared."""

import dataclasses
import os
import signal

import chex
import jax
import pytest

from experiments.runs import log
from experiments.training import checkpoints as training_checkpoints
from experiments.training import memory
from experiments.training import program
from experiments.training import sharding
from experiments.training import state as training_state
from experiments.training import trainer
from tests.helpers.recipes import sums

STEPS = 12


def experiment(data=None, **kwargs):
  """The tiny recipe, made shorter."""
  kwargs = {"steps": STEPS, "eval_every": 6, **kwargs}
  experiment = sums.EXPERIMENTS["plain"]
  return dataclasses.replace(
    experiment,
    data=data or experiment.data,
    train=dataclasses.replace(experiment.train, **kwargs),
  )


def rows(workdir, kind):
  rows = log.read_rows(workdir / "metrics.jsonl")
  return [row for row in rows if row["kind"] == kind]


def losses(workdir):
  return [row["loss"] for row in rows(workdir, "train")]


def interrupt_at(step, experiment, workdir, number=signal.SIGTERM, **options):
  """Sends this process a signal after a step; returns the exit code."""
  compile_within = memory.compile_within

  def compiling(*args):
    compiled = compile_within(*args)

    def interrupted(state, batch):
      result = compiled(state, batch)
      if int(result[0].step) == step:
        os.kill(os.getpid(), number)
      return result

    return interrupted

  with pytest.MonkeyPatch.context() as patched:
    patched.setattr(memory, "compile_within", compiling)
    with pytest.raises(SystemExit) as caught:
      trainer.train(experiment, workdir, **options)
  return caught.value.code


def assert_same_run(found, expected):
  """Metrics byte for byte, and every array of the last checkpoint."""
  name = "metrics.jsonl"
  assert (found / name).read_bytes() == (expected / name).read_bytes()
  chex.assert_trees_all_equal(last_state(found), last_state(expected))


def last_state(workdir):
  tiny = experiment()
  mesh = sharding.make_mesh(tiny.train.parallel)
  task = tiny.task()
  target = program.Program(tiny.train, task, mesh).target
  items = training_state.to_items(target)
  directory = workdir / "checkpoints"
  with training_checkpoints.Checkpoints(
    directory, read_only=True
  ) as checkpoints:
    step, items = checkpoints.restore(items)
  assert step == STEPS
  items["rest"]["key"] = jax.random.key_data(items["rest"]["key"])
  return items
