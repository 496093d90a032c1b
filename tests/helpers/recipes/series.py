"""Series at a size that trains in seconds."""

import dataclasses
from typing import Any

from experiments.time_series import configs
from experiments.time_series import data


def tiny(model: Any) -> Any:
  """Returns a model of series of few and narrow latents."""
  return dataclasses.replace(
    model,
    input_channels=8,
    num_times=2,
    latents_per_time=1,
    channels=8,
    num_self_attends=1,
    mean=(),
    stddev=(),
    value_channels=2,
  )


def experiment(model: Any) -> configs.Experiment:
  """Returns an experiment with a model of synthetic series."""
  train = configs.MINI.train
  return configs.Experiment(
    model=tiny(model),
    data=configs.MINI.data,
    train=dataclasses.replace(
      train,
      batch_size=4,
      steps=6,
      schedule=dataclasses.replace(train.schedule, warmup_steps=2),
      eval_every=3,
      checkpoint_every=3,
      log_every=3,
    ),
  )


MINI = experiment(configs.MINI.model)
EXPERIMENTS = {
  "classes": MINI,
  "interpolation": experiment(
    dataclasses.replace(
      configs.EXPERIMENTS["interpolation"].model,
      output_channels=2,
      value_channels=2,
      mean=(),
      stddev=(),
    )
  ),
  "files": dataclasses.replace(
    MINI,
    data=dataclasses.replace(MINI.data, source=data.Source(data.Kind.TS)),
  ),
}
