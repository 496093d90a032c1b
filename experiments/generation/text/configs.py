"""Recipes for bytes of texts.

  python -m experiments.train text --mini
  python -m experiments.train text --recipe context_1024 --data.source FOLDER

The recipes have the same latents and differ in how far back they read.
"""

import dataclasses

from experiments.data import loader
from experiments.generation import recipes
from experiments.generation.text import data as text_data


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(recipes.Experiment):
  """Texts, byte by byte."""

  data: text_data.DataConfig = text_data.DataConfig()

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Opens both splits."""
    return text_data.splits(
      self.data, self.model.context, self.model.num_latents
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
