"""The video autoencoding experiment at a size that trains in seconds."""

from experiments.audio_video.autoencoding import configs
from experiments.audio_video.autoencoding import data
from experiments.audio_video.autoencoding import task
from experiments.audio_video.clips import synthetic
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import trainer
from tests.helpers import tiny_video

MINI = configs.Experiment(
  model=tiny_video.config(),
  data=data.DataConfig(
    synthetic=synthetic.SyntheticConfig(num_examples=24), num_eval=6
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
