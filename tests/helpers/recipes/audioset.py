"""The AudioSet experiment at a size that trains in seconds."""

import dataclasses

from experiments.audio_video.audioset import configs
from experiments.audio_video.audioset import masking
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import trainer
from tests.helpers import tiny_audioset

MINI = configs.Experiment(
  model=tiny_audioset.model_config(),
  data=tiny_audioset.data_config(
    spec_augment=masking.SpecAugmentConfig(), drop_video=0.3, drop_audio=0.1
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
