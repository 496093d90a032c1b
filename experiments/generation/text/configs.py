"""Recipes for bytes of texts.

  python -m experiments.train text --mini
  python -m experiments.train text --recipe context_1024 --data.source FOLDER

The recipes have the same latents and differ in how far back they read.
"""

import dataclasses
import functools

from experiments.generation import recipes
from experiments.generation import task as generation_task
from experiments.generation.text import data as text_data
from experiments.training import trainer
import perceiver
from perceiver import autoregressive


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """Texts, byte by byte."""

  model: autoregressive.AutoregressiveConfig
  data: text_data.DataConfig = text_data.DataConfig()
  loss: generation_task.LossConfig = generation_task.LossConfig()
  train: trainer.TrainConfig

  def task(self) -> generation_task.Generation:
    """Returns the task."""
    return generation_task.Generation(
      model=perceiver.create(self.model),
      splits=functools.partial(
        text_data.splits,
        self.data,
        self.model.context,
        self.model.num_latents,
      ),
      loss=self.loss,
    )


EXPERIMENTS = {
  f"context_{context}": Experiment(
    model=recipes.rotary_model(context=context), train=recipes.TRAIN
  )
  for context in (1024, 256, 4096)
}
MINI = Experiment(
  model=recipes.rotary_model(context=512, num_latents=128, num_layers=2),
  train=dataclasses.replace(recipes.TRAIN, steps=2000),
)
