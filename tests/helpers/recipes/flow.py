"""A tiny recipe of optical flow, which trains in seconds."""

import dataclasses

from experiments.optical_flow import configs
from experiments.optical_flow import data
from experiments.optical_flow import evaluator
from experiments.optical_flow import task
from experiments.optical_flow.augmentation import augment
from experiments.optical_flow.augmentation import curriculum
from experiments.optical_flow.synthetic import generator
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import trainer
from tests.helpers import tiny_flow

MINI = configs.Experiment(
  model=tiny_flow.model_config(),
  data=data.DataConfig(
    synthetic=generator.GeneratorConfig(
      size=(20, 28), num_examples=24, min_objects=1, max_objects=2
    ),
    num_eval=6,
    augmentation=augment.AugmentationConfig(crop_margin=2, box_sides=(3, 5)),
    curriculum=curriculum.CurriculumConfig(plain=0.3, growing=0.4),
  ),
  loss=task.LossConfig(output_points=64),
  evaluation=evaluator.EvaluationConfig(min_overlap=4),
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
