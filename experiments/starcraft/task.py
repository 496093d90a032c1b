"""The task of cloning the scripted expert: data, scores and plots."""

from collections.abc import Mapping
import dataclasses
import pathlib

import jax

from experiments.data import loader
from experiments.runs import plots as runs_plots
from experiments.starcraft import cloning
from experiments.starcraft import data as starcraft_data
from experiments.starcraft import entities
from experiments.starcraft import evaluator
from experiments.starcraft import plots
from experiments.starcraft.game import matches
from experiments.starcraft.game import simulator
from experiments.starcraft.game import units
import perceiver
from perceiver.models import starcraft

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cloning(cloning.Cloning):
  """Cloning of the scripted expert."""

  data: starcraft_data.DataConfig
  rollouts: matches.RolloutConfig

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Returns the training and the evaluation split."""
    return starcraft_data.splits(self.data)

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of a training example."""
    return starcraft_data.example_shapes(self.num_slots)

  @property
  def demonstrate(self) -> evaluator.Demonstrate:
    """The expert's actions in a batch."""
    return _demonstrate

  def scores(self) -> Mapping[str, evaluator.Score]:
    """Returns the scores of a policy in battles, by name.

    "win_rate" is that against the baseline policy, "expert_score" that against
    the expert, 0.5 for its equal. In both, draws count half.
    """

    def score(opponent: simulator.Policy) -> evaluator.Score:
      return lambda model, variables, watch: matches.score(
        model, variables, opponent, self.data.scenario, self.rollouts, watch
      )

    return {name: score(one) for name, one in matches.OPPONENTS.items()}

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Plots learning curve, battles and where the latents look.

    Returns:
      The files: curve.png if there is a log, battles.png, and attention.png if
      the model has latents.
    """
    folder = runs_plots.folder(workdir)
    found = self.model, variables, loader.stacked(self.eval_split(), 6)
    made = runs_plots.learning_curve(workdir, plots.CURVE)
    made.append(plots.battles(*found, folder / "battles.png"))
    network = self.model.config.encoder.encoder
    if not isinstance(network, starcraft.EntityTransformerConfig):
      made.append(plots.attention(*found, folder / "attention.png"))
    return made


def _demonstrate(batch: Mapping[str, Array]) -> evaluator.Demonstrations:
  """Returns the policy's observations and the expert's actions."""
  now, expert = starcraft_data.to_transition(batch)
  return evaluator.Demonstrations(
    *entities.encode(now),
    *expert,
    own=units.living(now) & (now.owner == 0),
    attacks=expert.action_kind == units.ActionKind.ATTACK,
    won=batch["won"],
  )
