"""Recipes for folk tunes in ABC notation.

  python -m experiments.train tunes --mini
  python -m experiments.train tunes --data.source tunes.jsonl

`--mini` learns synthetic tunes.
"""

import dataclasses

from experiments.data import loader
from experiments.generation import recipes
from experiments.generation.tunes import data as tunes_data


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(recipes.Experiment):
  """Folk tunes, byte by byte."""

  data: tunes_data.DataConfig = tunes_data.DataConfig()

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Opens both splits."""
    return tunes_data.splits(
      self.data, self.model.context, self.model.num_latents
    )


EXPERIMENTS = {
  f"context_{context}": Experiment(
    model=recipes.rotary_model(
      context=context, num_latents=64, channels=192, dropout_rate=0.2
    ),
    train=dataclasses.replace(recipes.TRAIN, batch_size=64, steps=12_000),
  )
  for context in (256, 64, 1024)
}
MINI = Experiment(
  model=recipes.rotary_model(context=128, num_latents=64, num_layers=2),
  data=tunes_data.DataConfig(
    source=tunes_data.Source(tunes_data.Corpus.SYNTHETIC)
  ),
  train=dataclasses.replace(recipes.TRAIN, steps=500, eval_every=250),
)
