"""The task of cloning SMAX's heuristic policy: loss, metrics and plots."""

from collections.abc import Mapping
import dataclasses
import pathlib
from typing import Any

import jax

from experiments.data import loader
from experiments.runs import plots as runs_plots
from experiments.starcraft import evaluator
from experiments.starcraft import objective
from experiments.starcraft.smax import battles
from experiments.starcraft.smax import data as smax_data
from experiments.starcraft.smax import entities
from experiments.starcraft.smax import matches
from experiments.starcraft.smax import plots
from experiments.training import evaluation
from experiments.training import tasks
import perceiver

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cloning(tasks.HasSplits):
  """Cloning of SMAX's heuristic policy.

  Attributes:
    model: a `PolicyConfig`'s: entities [B, M, C] -> Decisions.
    data: the armies, and the states taken from their battles.
    rollouts: battles of the policy itself, in evaluation.
    eval_batch_size: states per batch in evaluation.
  """

  model: perceiver.Model
  data: smax_data.DataConfig
  rollouts: matches.RolloutConfig
  eval_batch_size: int

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Returns the training and the evaluation split."""
    return smax_data.splits(self.data, self._num_slots)

  @property
  def _num_slots(self) -> int:
    return int(self.model.config.encoder.entities.num_slots)

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of a training example."""
    return smax_data.example_shapes(self._num_slots)

  def make_evaluator(self) -> evaluation.Evaluator:
    """Returns the evaluator: compares decisions, and plays battles.

    "win_rate" is the share of battles won against the heuristic policy,
    "heuristic_win_rate" that of the heuristic itself in the policy's place.
    """

    def score(
      model: perceiver.Model | None, variables: Any, watch: evaluation.Watch
    ) -> float:
      scenario, slots = self.data.scenario, self._num_slots
      return matches.win_rate(
        model, variables, scenario, slots, self.rollouts, watch
      )

    return evaluator.Evaluator(
      model=self.model,
      split=self.eval_split(),
      measured=measure,
      scores={
        "win_rate": score,
        "heuristic_win_rate": lambda _, variables, watch: score(
          None, None, watch
        ),
      },
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
    """Compares the decisions of every state with the heuristic's actions."""
    metrics, state = measure(self.model, variables, batch, rng, is_training)
    loss = metrics.pop("loss")
    return tasks.Losses(loss, metrics, state)

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Plots the learning curve and the policy's actions in some battles.

    Returns:
      The files: curve.png if there is a log, and battles.png.
    """
    folder = runs_plots.folder(workdir)
    batch = loader.stacked(self.eval_split(), 6)
    path = folder / "battles.png"
    made = runs_plots.learning_curve(workdir, plots.CURVE)
    return [*made, plots.battles(self.model, variables, batch, path)]


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
  seen, expert = smax_data.to_transition(batch)
  inputs, mask = entities.encode(seen)
  decisions, state = model.apply_and_update(
    variables, inputs, rng=rng, is_training=is_training, mask=mask
  )
  found = objective.losses(
    decisions,
    *expert,
    own=mask & (seen.owner == 0),
    attacks=expert.action_kind == battles.ActionKind.ATTACK,
    won=batch["won"],
  )
  return {"loss": objective.total(found), **found}, state
