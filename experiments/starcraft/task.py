"""Battles to orders: loss, metrics and pictures."""

import dataclasses
import pathlib

import jax

from experiments.data import loader
from experiments.starcraft import data as starcraft_data
from experiments.starcraft import evaluator
from experiments.starcraft import plots
from experiments.starcraft.game import matches
from experiments.training import evaluation
from experiments.training import tasks
import perceiver

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cloning:
  """A policy, the commander it learns from and how it is judged.

  Attributes:
    model: a `PolicyConfig`'s: entities [B, M, C] -> Decisions.
    data: which battles are looked at.
    playing: which battles it plays itself when it is judged.
    eval_batch_size: states at a time in evaluation.
  """

  model: perceiver.Model
  data: starcraft_data.DataConfig
  playing: matches.PlayingConfig
  eval_batch_size: int

  def train_split(self) -> loader.Split:
    """Returns the states to learn from."""
    return starcraft_data.splits(self.data)[0]

  def eval_split(self) -> loader.Split:
    """Returns the states to evaluate on."""
    return starcraft_data.splits(self.data)[1]

  def make_evaluator(self) -> evaluation.Evaluator:
    """Returns what evaluates: decisions are compared, and battles played."""
    return evaluator.Evaluator(
      model=self.model,
      split=self.eval_split(),
      battles=self.data.battles,
      playing=self.playing,
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
    """Computes how well the decisions of every state are as commanded."""
    metrics, state = evaluator.measure(
      self.model, variables, batch, rng, is_training
    )
    loss = metrics.pop("loss")
    return tasks.Losses(loss, metrics, state)

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Draws learning curve, battles and where the latents look."""
    return plots.draw(self.model, variables, self.eval_split(), workdir)
