"""Evaluation of a policy: its decisions and its battles."""

from collections.abc import Mapping
import dataclasses
import functools
from typing import Any

import jax

from experiments.data import loader
from experiments.starcraft import data
from experiments.starcraft import entities as starcraft_entities
from experiments.starcraft import objective
from experiments.starcraft.game import matches
from experiments.starcraft.game import scenarios
from experiments.training import evaluation
import perceiver

Array = jax.Array

# Of the loss: a battle has many actions and one winner.
WINNING_WEIGHT = 0.1


def measure(
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
  transition = data.to_transition(batch)
  entities, mask = starcraft_entities.encode(transition.state)
  decisions, state = model.apply_and_update(
    variables, entities, rng=rng, is_training=is_training, mask=mask
  )
  found = objective.losses(decisions, transition, batch["won"])
  loss = found["actions"] + WINNING_WEIGHT * found["winning"]
  return {"loss": loss, **found}, state


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluator:
  """Evaluates a policy.

  Attributes:
    model: the policy's.
    split: states that its decisions are evaluated in.
    scenario: sizes of the armies of its battles.
    rollouts: number and length of its battles.
    batch_size: states at a time.
  """

  model: perceiver.Model
  split: loader.Split
  scenario: scenarios.ScenarioConfig
  rollouts: matches.RolloutConfig
  batch_size: int

  def __call__(
    self, variables: Any, watch: evaluation.Watch = evaluation.UNWATCHED
  ) -> evaluation.Evaluation:
    """Returns means of the metrics of `measure`, and scores.

    "win_rate" is the score against the baseline policy, "expert_score" that
    against the expert, 0.5 for its equal. In both, draws count half.

    Args:
      variables: of the model.
      watch: follows it by batches of states and blocks of battles.

    Raises:
      evaluation.Abandoned: if the watch stops it.
    """
    # One device, once and for all: the battles are no sharded computation.
    variables = jax.device_put(jax.device_get(variables))
    num_states, opponents = len(self.split.source), matches.OPPONENTS
    total = num_states + len(opponents) * self.rollouts.num_battles

    def part(before: int) -> evaluation.Watch:
      on_progress = lambda done, _: watch.on_progress(before + done, total)
      return dataclasses.replace(watch, on_progress=on_progress)

    loop = evaluation.Loop(
      split=self.split, batch_size=self.batch_size, watch=part(0)
    )
    metrics = loop.means(functools.partial(_measured, self.model, variables))
    for number, (name, opponent) in enumerate(opponents.items()):
      metrics[name] = matches.score(
        self.model,
        variables,
        opponent,
        self.scenario,
        self.rollouts,
        part(num_states + number * self.rollouts.num_battles),
      )
    return evaluation.Evaluation(
      metrics=metrics,
      examples=num_states,
      expected=num_states,
      split=self.split.name,
    )


@functools.partial(jax.jit, static_argnums=0)
def _measured(
  model: perceiver.Model, variables: Any, batch: Mapping[str, Any]
) -> dict[str, Array]:
  return {**measure(model, variables, batch)[0], "weight": batch["weight"]}
