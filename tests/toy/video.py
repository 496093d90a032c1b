"""The video autoencoding experiment at a size that trains in seconds."""

import tiny_video

from experiments import optimizers
from experiments import schedules
from experiments import trainer
from experiments.clip_data import generated
from experiments.video_autoencoding import configs
from experiments.video_autoencoding import data
from experiments.video_autoencoding import task

MINI = configs.Experiment(
  model=tiny_video.config(),
  data=data.DataConfig(
    generator=generated.GeneratorConfig(num_examples=24), num_eval=6
  ),
  loss=task.LossConfig(image_points=32, audio_points=8),
  train=trainer.TrainConfig(
    batch_size=4,
    steps=8,
    base_rate=1e-3,
    schedule=schedules.WarmupCosine(warmup_steps=2),
    optimizer=optimizers.Adam(weight_decay=0.01, clip_norm=1.0),
    eval_every=4,
    checkpoint_every=4,
    log_every=2,
  ),
)
EXPERIMENTS = {"tiny": MINI}
