"""Class, settings and model shared by the experiments of bytes."""

import dataclasses
import pathlib
from typing import Any, ClassVar

from experiments.data import loader
from experiments.generation import samples
from experiments.generation import task as generation_task
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import trainer
import perceiver
from perceiver import autoregressive
from perceiver import position_encoding
from perceiver.models import perceiver_ar

# As released.
ADAM = optimizers.Adam(eps=1e-8, weight_decay=0.0, clip_norm=1.0)
TRAIN = trainer.TrainConfig(
  batch_size=16,
  steps=5000,
  base_rate=1e-3,
  schedule=schedules.WarmupCosine(warmup_steps=200),
  optimizer=ADAM,
  eval_every=500,
  checkpoint_every=500,
  log_every=50,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """Sequences of bytes; an experiment derives a class with its own data."""

  model: autoregressive.AutoregressiveConfig
  data: Any
  loss: generation_task.LossConfig = generation_task.LossConfig()
  train: trainer.TrainConfig

  unit: ClassVar[str] = "byte"  # of the metric

  def task(self) -> generation_task.Generation:
    """Returns the task."""
    return generation_task.Generation(
      model=perceiver.create(self.model),
      splits=self.splits,
      unit=self.unit,
      loss=self.loss,
      draw=self.draw,
    )

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Opens both splits.

    Raises:
      files.InputError: if the data cannot be used.
    """
    raise NotImplementedError

  def draw(self, sampler: samples.Sampler) -> list[pathlib.Path]:
    """Writes samples into the sampler's folder; returns the files."""
    del sampler
    return []


def rotary_model(
  *,
  context: int,
  num_latents: int = 256,
  num_layers: int = 4,
  channels: int = 128,
  num_heads: int = 4,
  num_cross_heads: int | None = None,
  convolution_width: int = 1,
  dropout_rate: float = 0.1,
) -> autoregressive.AutoregressiveConfig:
  """Returns a small model of bytes with rotary positions."""
  return perceiver_ar.perceiver_ar(
    context=context,
    num_latents=num_latents,
    num_layers=num_layers,
    channels=channels,
    num_heads=num_heads,
    num_cross_heads=num_cross_heads,
    convolution_width=convolution_width,
    positions=position_encoding.Rotary(max_wavelength=context),
    dropout_rate=dropout_rate,
  )
