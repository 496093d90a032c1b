"""The StarCraft II experiment at a size that trains in seconds."""

import dataclasses

from experiments.starcraft import configs
from experiments.starcraft import data
from experiments.starcraft.game import matches
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import trainer
from tests.helpers import tiny_battles

MINI = configs.Experiment(
  model=tiny_battles.policy_config(),
  data=data.DataConfig(
    scenario=tiny_battles.SCENARIO,
    num_battles=70,
    num_eval_battles=5,
    num_transitions=2,
    num_steps=8,
  ),
  rollouts=matches.RolloutConfig(num_battles=66, num_steps=8),
  train=trainer.TrainConfig(
    batch_size=4,
    steps=12,
    base_rate=1e-3,
    schedule=schedules.WarmupCosine(warmup_steps=2),
    optimizer=optimizers.Adam(weight_decay=0.01, clip_norm=1.0),
    eval_every=6,
    checkpoint_every=6,
    log_every=3,
  ),
)
EXPERIMENTS = {
  "tiny": dataclasses.replace(MINI),
  "transformer": dataclasses.replace(
    MINI, model=tiny_battles.policy_config(tiny_battles.TRANSFORMER)
  ),
}
