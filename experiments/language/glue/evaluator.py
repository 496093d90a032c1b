"""Answers to examples of several tasks, and the metrics of whole sets."""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.data import loader
from experiments.language.glue import data
from experiments.language.glue import glue_tasks
from experiments.language.glue import scores
from experiments.training import evaluation
from experiments.training import losses as training_losses
import perceiver

Array = jax.Array

# Degrees from 0 to 5 are learned as numbers from -1 to 1.
_HALF_DEGREE = glue_tasks.MAX_DEGREE / 2


class Answers(NamedTuple):
  """Answers of a model to examples, each for its own task."""

  loss: Array  # [B], nats, or squared error of a degree over 2.5
  predictions: Array  # [B], number of the likeliest class, or degree


def answers(
  names: Sequence[str],
  outputs: Mapping[str, Array],  # {task: [B, outputs]}
  batch: Mapping[str, Array],
) -> Answers:
  """Picks from all tasks' outputs the one that each example is of.

  Args:
    names: the tasks in the order of their numbers.
    outputs: logits, or a degree over 2.5, less 1.
    batch: gives "task" and "label", [B].
  """
  total = jnp.zeros(batch["label"].shape, jnp.float32)
  found = Answers(total, total)
  for number, name in enumerate(names):
    is_task = batch["task"] == number  # [B]
    each = _answer(glue_tasks.ALL[name], outputs[name], batch["label"])
    found = Answers(*(jnp.where(is_task, x, y) for x, y in zip(each, found)))
  return found


def _answer(task: glue_tasks.Task, output: Array, labels: Array) -> Answers:
  """Returns loss and prediction of every example as if it were of `task`."""
  if not task.classes:
    error = output[:, 0] - (labels / _HALF_DEGREE - 1)  # [B]
    return Answers(error**2, (output[:, 0] + 1) * _HALF_DEGREE)
  # Labels of other tasks, and unknown ones, need not be classes of this one.
  classes = labels.astype(jnp.int32)
  targets = jax.nn.one_hot(classes, len(task.classes))  # [B, classes]
  loss = training_losses.softmax_cross_entropy(output, targets)  # [B]
  return Answers(loss, jnp.argmax(output, axis=-1).astype(jnp.float32))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluator:
  """Evaluates a model by the development sets of its tasks.

  Attributes:
    model: answers.
    names: its tasks in the order of their numbers.
    split: all examples of all sets.
    batch_size: examples at a time.
  """

  model: perceiver.Model
  names: tuple[str, ...]
  split: loader.Split
  batch_size: int

  def __call__(
    self, variables: Any, watch: evaluation.Watch = evaluation.UNWATCHED
  ) -> evaluation.Evaluation:
    """Returns metrics of every set, "loss", and "score", their average.

    Args:
      variables: of the model.
      watch: follows it batch by batch.

    Raises:
      evaluation.Abandoned: if the watch stops it.
    """
    loop = evaluation.Loop(
      split=self.split, batch_size=self.batch_size, watch=watch
    )
    found = predict(self.model, variables, self.names, loop)
    results = {"loss": float(np.mean(found["loss"], dtype=np.float64))}
    for number, (task, split) in enumerate(data.eval_splits(self.names)):
      rows = found["eval_split"] == number
      results |= scores.split_metrics(
        task, split, found["label"][rows], found["prediction"][rows]
      )
    return evaluation.Evaluation(
      metrics={"score": scores.score(results), **results},
      examples=len(found["loss"]),
      expected=len(self.split.source),
      split=self.split.name,
    )


def predict(
  model: perceiver.Model,
  variables: Any,
  names: tuple[str, ...],
  loop: evaluation.Loop,
) -> dict[str, np.ndarray]:
  """Answers every example of a loop's split once, in order.

  Returns:
    "prediction", "loss", "label" and "eval_split" of the examples, each [n].

  Raises:
    evaluation.Abandoned: if the watch stops it.
  """
  return loop.collect(functools.partial(_predictions, model, names, variables))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _predictions(
  model: perceiver.Model,
  names: tuple[str, ...],
  variables: Any,
  batch: Mapping[str, Array],
) -> dict[str, Array]:
  outputs = model.apply(variables, batch["ids"], input_mask=batch["input_mask"])
  found = answers(names, outputs, batch)
  return {
    "prediction": found.predictions,
    "loss": found.loss,
    **{name: batch[name] for name in ("label", "eval_split", "weight")},
  }
