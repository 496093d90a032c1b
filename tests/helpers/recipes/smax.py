"""The SMAX experiment at a size that trains in seconds."""

import dataclasses

from experiments.starcraft.smax import battles
from experiments.starcraft.smax import configs
from experiments.starcraft.smax import data
from experiments.starcraft.smax import entities
from experiments.starcraft.smax import matches
from tests.helpers import tiny_battles
from tests.helpers.recipes import starcraft


def policy_config(encoding=tiny_battles.PERCEIVER):
  """Returns a policy for eight units."""
  return dataclasses.replace(
    tiny_battles.policy_config(encoding),
    entity_channels=entities.NUM_CHANNELS,
    num_action_kinds=len(battles.ActionKind),
  )


MINI = configs.Experiment(
  model=policy_config(),
  data=data.DataConfig(
    scenario="3m", num_battles=70, num_eval_battles=5, num_transitions=2
  ),
  rollouts=matches.RolloutConfig(num_battles=66),
  train=starcraft.MINI.train,
)
EXPERIMENTS = {"tiny": dataclasses.replace(MINI)}
