"""The task of cloning an expert policy: data, loss, metrics and plots."""

import dataclasses
import pathlib

import jax

from experiments.data import loader
from experiments.runs import plots as runs_plots
from experiments.starcraft import data as starcraft_data
from experiments.starcraft import evaluator
from experiments.starcraft import plots
from experiments.starcraft.game import matches
from experiments.starcraft.game import simulator
from experiments.training import evaluation
from experiments.training import tasks
import perceiver
from perceiver.models import starcraft

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cloning(tasks.HasSplits):
  """Cloning of the scripted expert.

  Attributes:
    model: a `PolicyConfig`'s: entities [B, M, C] -> Decisions.
    data: battles, and the transitions taken from them.
    rollouts: battles of the policy itself, in evaluation.
    eval_batch_size: transitions per batch in evaluation.
  """

  model: perceiver.Model
  data: starcraft_data.DataConfig
  rollouts: matches.RolloutConfig
  eval_batch_size: int

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Returns the training and the evaluation split."""
    return starcraft_data.splits(self.data)

  def make_evaluator(self) -> evaluation.Evaluator:
    """Returns the evaluator: compares decisions, and runs battles.

    "win_rate" is the score against the baseline policy, "expert_score" that
    against the expert, 0.5 for its equal. In both, draws count half.
    """

    def score(opponent: simulator.Policy) -> evaluator.Score:
      return lambda model, variables, watch: matches.score(
        model, variables, opponent, self.data.scenario, self.rollouts, watch
      )

    return evaluator.Evaluator(
      model=self.model,
      split=self.eval_split(),
      measured=evaluator.measure,
      scores={name: score(one) for name, one in matches.OPPONENTS.items()},
      num_battles=self.rollouts.num_battles,
      batch_size=self.eval_batch_size,
    )

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of a training example."""
    return starcraft_data.example_shapes(self.data.scenario.num_slots)

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
      self.model, variables, batch, rng, is_training
    )
    loss = metrics.pop("loss")
    return tasks.Losses(loss, metrics, state)

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
