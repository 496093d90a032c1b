"""Evaluation of a policy: its decisions and its battles."""

from collections.abc import Callable, Mapping
import dataclasses
import functools
from typing import Any, NamedTuple

import jax

from experiments.data import loader
from experiments.starcraft import objective
from experiments.training import evaluation
import perceiver

Array = jax.Array


class Demonstrations(NamedTuple):
  """A policy's observations of B battles, and an expert's actions."""

  entities: Array  # [B, U, C]
  mask: Array  # [B, U] bool, True for slots in use
  action_kind: Array  # [B, U] integers
  target: Array  # [B, U] integers
  own: Array  # [B, U] bool, True for units of the policy
  attacks: Array  # [B, U] bool, True for actions that have a target
  won: Array  # [B], 1 if the policy's army wins, 0.5 for a draw, 0 otherwise


# A function of a module, from a batch.
Demonstrate = Callable[[Mapping[str, Array]], Demonstrations]
# A score of a policy in battles, followed by blocks of them.
Score = Callable[[perceiver.Model, Any, evaluation.Watch], float]


def measure(
  demonstrate: Demonstrate,
  model: perceiver.Model,
  variables: perceiver.Variables,
  batch: Mapping[str, Array],
  rng: Array | None = None,
  is_training: bool = False,
) -> tuple[dict[str, Array], Any]:  # {name: [B]}
  """Returns loss and metrics of examples, and the model's state.

  The metrics are those of `objective.losses`; "loss" is "actions" plus a tenth
  of "winning".
  """
  entities, mask, *expert = demonstrate(batch)
  decisions, state = model.apply_and_update(
    variables, entities, rng=rng, is_training=is_training, mask=mask
  )
  found = objective.losses(decisions, *expert)
  return {"loss": objective.total(found), **found}, state


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluator:
  """Evaluates a policy by its decisions and by battles.

  Attributes:
    model: the policy's.
    split: states that its decisions are evaluated in.
    demonstrate: an expert's actions in a batch of states.
    scores: its scores in battles, by name.
    num_battles: battles of each score.
    batch_size: states at a time.
  """

  model: perceiver.Model
  split: loader.Split
  demonstrate: Demonstrate
  scores: Mapping[str, Score]
  num_battles: int
  batch_size: int

  def __call__(
    self, variables: Any, watch: evaluation.Watch = evaluation.UNWATCHED
  ) -> evaluation.Evaluation:
    """Returns means of the metrics, and the scores.

    Args:
      variables: of the model.
      watch: follows it by batches of states and blocks of battles.

    Raises:
      evaluation.Abandoned: if the watch stops it.
    """
    # One device, once and for all: the battles are no sharded computation.
    variables = jax.device_put(jax.device_get(variables))
    num_states = len(self.split.source)
    total = num_states + len(self.scores) * self.num_battles

    def part(before: int) -> evaluation.Watch:
      on_progress = lambda done, _: watch.on_progress(before + done, total)
      return dataclasses.replace(watch, on_progress=on_progress)

    loop = evaluation.Loop(
      split=self.split, batch_size=self.batch_size, watch=part(0)
    )
    metrics = loop.means(
      functools.partial(_measured, self.demonstrate, self.model, variables)
    )
    for number, (name, score) in enumerate(self.scores.items()):
      before = num_states + number * self.num_battles
      metrics[name] = score(self.model, variables, part(before))
    return evaluation.Evaluation(
      metrics=metrics,
      examples=num_states,
      expected=num_states,
      split=self.split.name,
    )


@functools.partial(jax.jit, static_argnums=(0, 1))
def _measured(
  demonstrate: Demonstrate,
  model: perceiver.Model,
  variables: Any,
  batch: Mapping[str, Any],
) -> dict[str, Array]:
  found, _ = measure(demonstrate, model, variables, batch)
  return {**found, "weight": batch["weight"]}
