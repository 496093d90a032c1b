"""The ModelNet40 experiment at a size that trains in seconds."""

import dataclasses

from experiments.point_clouds import configs
from experiments.point_clouds import data
from experiments.point_clouds.synthetic import shapes
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import trainer
from tests.helpers import tiny_points

MINI = configs.Experiment(
  model=tiny_points.model_config(),
  data=data.DataConfig(
    source=data.Source(data.Dataset.SYNTHETIC),
    synthetic=shapes.SyntheticConfig(num_examples=40),
    num_eval=22,
  ),
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
  "modelnet40": dataclasses.replace(
    MINI, model=tiny_points.model_config(num_classes=40), data=data.DataConfig()
  ),
}
