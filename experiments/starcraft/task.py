"""Battles to orders: loss, metrics and pictures."""

import dataclasses
import pathlib

import jax

from experiments import evaluation
from experiments import loading
from experiments import task as task_lib
from experiments.starcraft import data as data_lib
from experiments.starcraft import figures as figures_lib
from experiments.starcraft import judging as judging_lib
from experiments.starcraft import playing as playing_lib
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
  data: data_lib.DataConfig
  playing: playing_lib.PlayingConfig
  eval_batch_size: int

  def train_split(self) -> loading.Split:
    """Returns the states to learn from."""
    return data_lib.splits(self.data)[0]

  def eval_split(self) -> loading.Split:
    """Returns the states to judge by."""
    return data_lib.splits(self.data)[1]

  def judge(self) -> evaluation.Judge:
    """Returns what evaluates: decisions are compared, and battles played."""
    return judging_lib.Judge(
      model=self.model,
      split=self.eval_split(),
      battles=self.data.battles,
      playing=self.playing,
      batch_size=self.eval_batch_size,
    )

  def losses(
    self,
    variables: perceiver.Variables,
    batch: task_lib.Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> task_lib.Losses:
    """Computes how well the decisions of every state are as commanded."""
    metrics, state = judging_lib.measure(
      self.model, variables, batch, rng, is_training
    )
    loss = metrics.pop("loss")
    return task_lib.Losses(loss, metrics, state)

  def figures(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Draws learning curve, battles and where the latents look."""
    return figures_lib.draw(self.model, variables, self.eval_split(), workdir)
