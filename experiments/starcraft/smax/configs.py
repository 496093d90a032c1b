"""Recipes for SMAX, a public benchmark of small battles after StarCraft II.

  pip install -e '.[smax]'
  python -m experiments.train smax
  python -m experiments.train smax --recipe transformer
  python -m experiments.train smax --data.scenario 3s5z

A policy clones the heuristic policy of the package `jaxmarl` from what all
allies see together, and then plays against it: "win_rate" is the share of
battles won, "heuristic_win_rate" that of the heuristic in the policy's place.
Published win rates (2311.10090) are those of policies that were trained by
playing, each unit by what it sees alone. Scenarios of more than 32 units need
`--model.encoder.entities.num-slots 64`.
"""

import dataclasses

from experiments.starcraft import configs as starcraft_configs
from experiments.starcraft import model as starcraft_model
from experiments.starcraft.smax import battles
from experiments.starcraft.smax import data as smax_data
from experiments.starcraft.smax import entities
from experiments.starcraft.smax import matches
from experiments.starcraft.smax import task as smax_task
from experiments.training import trainer
import perceiver


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """Cloning of the heuristic policy of SMAX, small battles of a benchmark."""

  model: starcraft_model.PolicyConfig
  data: smax_data.DataConfig = smax_data.DataConfig()
  rollouts: matches.RolloutConfig = matches.RolloutConfig()
  train: trainer.TrainConfig

  def __post_init__(self) -> None:
    slots, num_units = (
      self.model.encoder.entities.num_slots,
      self.data.num_units,
    )
    if slots < num_units:
      raise ValueError(
        f"model.encoder.entities.num_slots is {slots}; expected at least the "
        f"{num_units} units of {self.data.scenario}"
      )

  def task(self) -> smax_task.Cloning:
    """Returns the task."""
    return smax_task.Cloning(
      model=perceiver.create(self.model),
      data=self.data,
      rollouts=self.rollouts,
      eval_batch_size=self.train.evaluation_batch_size,
    )


def _recipe(like: starcraft_configs.Experiment) -> Experiment:
  """Returns a recipe with encoder and training of one of `starcraft`."""
  return Experiment(
    model=dataclasses.replace(
      like.model,
      entity_channels=entities.NUM_CHANNELS,
      num_action_kinds=len(battles.ActionKind),
    ),
    train=dataclasses.replace(like.train, steps=5000),
  )


EXPERIMENTS = {
  "perceiver_io": _recipe(starcraft_configs.MINI),
  "transformer": _recipe(starcraft_configs.EXPERIMENTS["mini_transformer"]),
}
MINI = EXPERIMENTS["perceiver_io"]
