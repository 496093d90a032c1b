"""Recipes for series of values at irregular times.

  pip download --no-deps aeon==1.6.0
  python -m experiments.prepare japanese-vowels ARCHIVE DIR
  python -m experiments.train time-series --data.source DIR
  python -m experiments.evaluate irregular-series --checkpoint RUN \\
      --data.source DIR
  python -m experiments.train time-series --mini

The speaker of an utterance, from frames of which up to three quarters are left
out in training: `time` gives the model their times, `index` numbers what is
left. `interpolation` and `interpolation_index` ask for the frames that were
left out. DIR may have any set of the UEA archive, one *_TRAIN.ts and one
*_TEST.ts; --model.value-channels and --model.num-inputs fit the model to it.

The network is POYO's in its main points (2310.16046); sizes are our own.
"""

import dataclasses
from typing import Any

from experiments.time_series import data as series_data
from experiments.time_series import task as series_task
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import tasks
from experiments.training import trainer
import perceiver
from perceiver import blocks
from perceiver import position_encoding
from perceiver.models import time_series

_SPEAKERS = 9
# Of the coefficients of Japanese Vowels' training frames.
_MEAN = (
  *(0.869, -0.555, 0.246, -0.267, 0.219, -0.211),
  *(-0.174, -0.052, -0.205, -0.181, -0.024, 0.086),
)
_STDDEV = (
  *(0.488, 0.391, 0.301, 0.306, 0.269, 0.168),
  *(0.161, 0.188, 0.188, 0.117, 0.098, 0.128),
)

Model = time_series.SeriesClassifierConfig | time_series.SeriesRegressorConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """Series to their class, or to the values that were left out of them."""

  model: Model
  data: series_data.DataConfig = series_data.DataConfig()
  train: trainer.TrainConfig

  def task(self) -> tasks.Task:
    """Returns the task, that of the model's kind."""
    model = perceiver.create(self.model)
    if isinstance(self.model, time_series.SeriesRegressorConfig):
      return series_task.SeriesInterpolation(model=model, data=self.data)
    return series_task.SeriesClassification(
      model=model,
      data=self.data,
      class_names=self._class_names,
    )

  def num_classes(self) -> int | None:
    """Returns the number of classes of the data; None if none are learned."""
    if isinstance(self.model, time_series.SeriesRegressorConfig):
      return None
    return len(self._class_names())

  def _class_names(self) -> tuple[str, ...]:
    _, test = series_data.sets(self.data, self.model.value_channels)
    return test.class_names


def _settings(value_channels: int) -> dict[str, Any]:
  return {
    "value_channels": value_channels,
    "input_channels": 64,
    "num_times": 8,
    "latents_per_time": 2,
    "channels": 64,
    "num_self_attends": 2,
    "rotary": position_encoding.RotaryTime(min_period=2.0, max_period=64.0),
    "cross_attention": blocks.CrossAttentionConfig(
      num_heads=4, dropout_rate=0.1
    ),
    "self_attention": blocks.SelfAttentionConfig(num_heads=4, dropout_rate=0.1),
    "decoder_attention": blocks.CrossAttentionConfig(num_heads=4),
    "num_inputs": 32,
  }


_CLASSIFIER = time_series.SeriesClassifierConfig(
  **_settings(len(_MEAN)),
  output_channels=_SPEAKERS,
  mean=_MEAN,
  stddev=_STDDEV,
)
_REGRESSOR = time_series.SeriesRegressorConfig(
  **_settings(len(_MEAN)),
  output_channels=len(_MEAN),
  mean=_MEAN,
  stddev=_STDDEV,
  num_queries=32,
)
_INDEX = series_data.DataConfig(positions=series_data.Positions.INDEX)
# Something must be left out to be asked for.
_HALF = series_data.DataConfig(evaluated_left_out=0.5)
_TRAIN = trainer.TrainConfig(
  batch_size=32,
  steps=1000,
  base_rate=2e-3,
  schedule=schedules.WarmupCosine(warmup_steps=100),
  optimizer=optimizers.Adam(weight_decay=0.05, clip_norm=1.0),
  eval_batch_size=64,
  checkpoint_every=500,
  log_every=50,
)
_INTERPOLATE = dataclasses.replace(_TRAIN, steps=2000)
EXPERIMENTS = {
  "time": Experiment(model=_CLASSIFIER, train=_TRAIN),
  "index": Experiment(model=_CLASSIFIER, data=_INDEX, train=_TRAIN),
  "interpolation": Experiment(model=_REGRESSOR, data=_HALF, train=_INTERPOLATE),
  "interpolation_index": Experiment(
    model=_REGRESSOR,
    data=dataclasses.replace(_HALF, positions=series_data.Positions.INDEX),
    train=_INTERPOLATE,
  ),
}
MINI = Experiment(
  model=time_series.SeriesClassifierConfig(
    **_settings(2), output_channels=len(series_data.PERIODS)
  ),
  data=series_data.DataConfig(
    source=series_data.Source(series_data.Kind.SYNTHETIC)
  ),
  train=dataclasses.replace(_TRAIN, eval_every=500),
)

# Means of three seeds (docs/time_series.md).
RESULTS = {
  "time": tasks.Result(metric="top_1", ours=0.979),
  "index": tasks.Result(metric="top_1", ours=0.980),
  "interpolation": tasks.Result(metric="loss", ours=0.0672),
  "interpolation_index": tasks.Result(metric="loss", ours=0.0879),
  "mini": tasks.Result(metric="top_1", ours=1.0),
}
