"""The task of cloning SMAX's heuristic policy: data, scores and plots."""

from collections.abc import Mapping
import dataclasses
import functools
import pathlib
from typing import Any

import jax

from experiments.data import loader
from experiments.runs import plots as runs_plots
from experiments.starcraft import cloning
from experiments.starcraft import evaluator
from experiments.starcraft import plots as starcraft_plots
from experiments.starcraft.smax import battles
from experiments.starcraft.smax import data as smax_data
from experiments.starcraft.smax import entities
from experiments.starcraft.smax import matches
from experiments.starcraft.smax import plots
from experiments.training import evaluation
import perceiver

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cloning(cloning.Cloning):
  """Cloning of SMAX's heuristic policy."""

  data: smax_data.DataConfig
  rollouts: matches.RolloutConfig

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Returns the training and the evaluation split.

    Raises:
      files.InputError: if jaxmarl is not installed.
    """
    return smax_data.splits(self.data, self.num_slots)

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of a training example."""
    return smax_data.example_shapes(self.num_slots)

  @property
  def demonstrate(self) -> evaluator.Demonstrate:
    """The heuristic's actions in a batch."""
    return _demonstrate

  def scores(self) -> Mapping[str, evaluator.Score]:
    """Returns the scores of a policy in battles, by name.

    "win_rate" is the share of battles won against the heuristic policy,
    "heuristic_win_rate" that of the heuristic itself in the policy's place.
    """
    score = functools.partial(
      matches.win_rate,
      scenario=self.data.scenario,
      num_slots=self.num_slots,
      config=self.rollouts,
    )

    def of_heuristic(
      model: perceiver.Model, variables: Any, watch: evaluation.Watch
    ) -> float:
      del model, variables
      return score(None, None, watch=watch)

    return {
      "win_rate": lambda model, variables, watch: score(
        model, variables, watch=watch
      ),
      "heuristic_win_rate": of_heuristic,
    }

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Plots the learning curve and the policy's actions in some battles.

    Returns:
      The files: curve.png if there is a log, and battles.png.
    """
    path = runs_plots.folder(workdir) / "battles.png"
    batch = loader.stacked(self.eval_split(), 6)
    made = runs_plots.learning_curve(workdir, starcraft_plots.CURVE)
    return [*made, plots.battles(self.model, variables, batch, path)]


def _demonstrate(batch: Mapping[str, Array]) -> evaluator.Demonstrations:
  """Returns the allies' observations and the heuristic's actions."""
  seen, expert = smax_data.to_transition(batch)
  found, mask = entities.encode(seen)
  return evaluator.Demonstrations(
    found,
    mask,
    *expert,
    own=mask & (seen.owner == 0),
    attacks=expert.action_kind == battles.ActionKind.ATTACK,
    won=batch["won"],
  )
