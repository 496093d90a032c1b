"""The task of cloning an expert policy, whatever the game."""

import abc
from collections.abc import Mapping
import dataclasses
from typing import Any

import jax

from experiments.starcraft import evaluator
from experiments.training import evaluation
from experiments.training import tasks
import perceiver

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cloning(tasks.HasSplits, abc.ABC):
  """Cloning of an expert policy.

  Attributes:
    model: a `PolicyConfig`'s: entities [B, M, C] -> Decisions.
    data: battles, and the transitions taken from them.
    rollouts: battles of the policy itself, in evaluation.
    eval_batch_size: transitions per batch in evaluation.
  """

  model: perceiver.Model
  data: Any
  rollouts: Any
  eval_batch_size: int

  @property
  @abc.abstractmethod
  def demonstrate(self) -> evaluator.Demonstrate:
    """The expert's actions in a batch."""

  @abc.abstractmethod
  def scores(self) -> Mapping[str, evaluator.Score]:
    """Returns the scores of a policy in battles, by name."""

  @property
  def num_slots(self) -> int:
    """U, slots of the model for units."""
    return int(self.model.config.encoder.entities.num_slots)

  def make_evaluator(self) -> evaluation.Evaluator:
    """Returns the evaluator: compares decisions, and plays battles."""
    return evaluator.Evaluator(
      model=self.model,
      split=self.eval_split(),
      demonstrate=self.demonstrate,
      scores=self.scores(),
      num_battles=self.rollouts.num_battles,
      batch_size=self.eval_batch_size,
    )

  def losses(
    self,
    variables: perceiver.Variables,
    batch: tasks.Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> tasks.Losses:
    """Compares the decisions of every state with the expert's actions."""
    metrics, state = evaluator.measure(
      self.demonstrate, self.model, variables, batch, rng, is_training
    )
    loss = metrics.pop("loss")
    return tasks.Losses(loss, metrics, state)
