"""The ModelNet40 experiment at a size that trains in seconds."""

import dataclasses

import tiny_points

from experiments import optimizers
from experiments import schedules
from experiments import trainer
from experiments.modelnet40 import configs
from experiments.modelnet40 import data
from experiments.modelnet40 import generated

MINI = configs.Experiment(
  model=tiny_points.model_config(),
  data=data.DataConfig(
    dataset=data.Dataset.GENERATED,
    generator=generated.GeneratorConfig(num_examples=40),
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
