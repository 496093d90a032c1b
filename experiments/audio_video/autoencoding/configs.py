"""Recipes for autoencoding video, audio and label, table 4 of 2107.14795.

  python -m experiments.train video-autoencoding --mini
  python -m experiments.train video-autoencoding --data.source DIR
  python -m experiments.evaluate video-autoencoding \\
      --checkpoint runs/video_autoencoding --data.source DIR --report PAGE

DIR is Kinetics-700-2020, prepared by `experiments.prepare clips`. The
fewer the latents, the worse the reconstruction:

  python -m experiments.train video-autoencoding --mini \\
      --model.perceiver.encoder.num-latents 12 --workdir runs/12_latents
  python -m experiments.evaluate latents-table \\
      runs/12_latents runs/24_latents runs/video_autoencoding-mini

None has been run at full size with this code. The mini recipe took 12 minutes
on half of two busy CPU cores, 5 of them of computing, and reached 26.1 dB for
video and 27.7 dB for audio with seed 0, where the mean colour and the mean
level of each clip reach 16.6 and 11.1; all 256 labels were right.
"""

import dataclasses

from experiments.audio_video.autoencoding import data as autoencoding_data
from experiments.audio_video.autoencoding import task as autoencoding_task
from experiments.audio_video.clips import sampling
from experiments.audio_video.clips import sources
from experiments.audio_video.clips import synthetic
from experiments.cli.papers import published
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import tasks
from experiments.training import trainer
import perceiver
from perceiver import position_encoding
from perceiver.models import video_autoencoding


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """Autoencoding of video, audio and label through a few latents."""

  model: video_autoencoding.VideoAutoencoderConfig
  data: autoencoding_data.DataConfig
  loss: autoencoding_task.LossConfig = autoencoding_task.LossConfig()
  train: trainer.TrainConfig

  def __post_init__(self) -> None:
    autoencoding_task.clip_shape(self.model)
    given = {output.name: output for output in self.model.outputs.outputs}
    for name in ("image", "audio"):
      points = getattr(self.loss, f"{name}_points")
      if points is not None and points > given[name].num_points:
        raise ValueError(
          f"loss.{name}_points is {points}; expected at most the "
          f"{given[name].num_points} points of a clip"
        )

  def num_classes(self) -> int | None:
    """Returns the data's number of classes, which a model follows."""
    return sources.num_classes(self.data)

  def task(self) -> autoencoding_task.VideoAutoencoding:
    """Returns the task."""
    return autoencoding_task.VideoAutoencoding(
      model=perceiver.create(self.model), data=self.data, loss=self.loss
    )


# ------------------------------------ Perceiver IO, 2107.14795 appendix I

# Learning rate and batch are published. Optimizer, length and schedule are not:
# LAMB is that of the paper's other experiments, the rest of AudioSet's.
_TRAIN = trainer.TrainConfig(
  batch_size=1024,
  epochs=100,
  base_rate=1e-3,
  schedule=schedules.ConstantThenCosine(constant_fraction=0.5),
  optimizer=optimizers.Lamb(weight_decay=0.1, clip_norm=10.0),
  eval_every=5000,
  eval_batch_size=8,
  checkpoint_every=1000,
)
# Nor is the augmentation: colours, which are to be reconstructed, stay.
_AUGMENTATION = sampling.AugmentationConfig(
  brightness=0.0, contrast=0.0, saturation=0.0
)


def _published(name: str, label_weight: float = 1e-4) -> Experiment:
  return Experiment(
    model=video_autoencoding.CONFIGS[name],
    data=autoencoding_data.DataConfig(
      source=sources.PREPARED, augmentation=_AUGMENTATION
    ),
    loss=autoencoding_task.LossConfig(label=label_weight),
    train=_TRAIN,
  )


# ------------------------------------------------------------------------ mini

_CLASSES = 8


def _mini() -> Experiment:
  return Experiment(
    model=video_autoencoding.video_autoencoder(
      num_frames=8,
      size=(16, 16),
      patch=(2, 4, 4),
      image_positions=position_encoding.Fourier(
        num_bands=6, max_resolution=(8, 16, 16)
      ),
      num_samples=512,
      audio_positions=position_encoding.Fourier(
        num_bands=8, max_resolution=(16,)
      ),
      num_classes=_CLASSES,
      label_channels=16,
      num_latents=48,
      latent_channels=64,
      latent_init_scale=1.0,
      num_layers=2,
      num_heads=4,
      output_channels=64,
    ),
    data=autoencoding_data.DataConfig(
      synthetic=synthetic.SyntheticConfig(num_classes=_CLASSES)
    ),
    loss=autoencoding_task.LossConfig(
      video=2.0, audio=1.0, label=0.03, image_points=256, audio_points=None
    ),
    train=trainer.TrainConfig(
      batch_size=16,
      steps=6000,
      base_rate=2e-3,
      schedule=schedules.WarmupCosine(warmup_steps=200),
      optimizer=optimizers.Adam(weight_decay=0.01, clip_norm=1.0),
      eval_every=1500,
      eval_batch_size=32,
      checkpoint_every=1000,
      log_every=250,
    ),
  )


EXPERIMENTS = {
  "latents_784": _published("video_autoencoding"),
  "latents_392": _published("video_autoencoding_392"),
  "latents_196": _published("video_autoencoding_196"),
  # For classification, at the cost of the reconstruction.
  "label_weight_1": _published("video_autoencoding", label_weight=1.0),
}
MINI = _mini()

RESULTS = {
  **published.results("video_autoencoding"),
  "mini": tasks.Result(
    metric="video_psnr",
    ours=26.14,
    also=(
      tasks.Result(metric="audio_psnr", ours=27.69),
      tasks.Result(metric="top_1", ours=1.0),
    ),
  ),
}
