"""Masked language modelling at a size that trains in seconds."""

import dataclasses

from experiments.language.masked_language import configs
from experiments.language.masked_language import data
from experiments.language.text import corpora
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import trainer
from tests.helpers import tiny_language

MINI = configs.Experiment(
  model=tiny_language.model_config(),
  data=data.DataConfig(
    source=corpora.PYTHON_TOPICS, max_masked=0.5, eval_examples=10
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
EXPERIMENTS = {"tiny": dataclasses.replace(MINI)}
