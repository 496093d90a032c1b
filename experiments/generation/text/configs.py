"""Recipes for bytes of texts.

  python -m experiments.train text --mini
  python -m experiments.train text --recipe context_1024 --data.source FOLDER

The recipes `context_…` have the same latents and differ in how far back they
read. So do `convolution_…`, whose cross-attention has one head and whose inputs
know the two bytes before their own, so that a latent finds what followed these.
"""

import dataclasses
import pathlib

from experiments.data import loader
from experiments.generation import recipes
from experiments.generation import samples
from experiments.generation.text import data as text_data

_NUM_SAMPLES, _LONGEST = 3, 400


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(recipes.Experiment):
  """Texts, byte by byte."""

  data: text_data.DataConfig = text_data.DataConfig()

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Opens both splits."""
    return text_data.splits(
      self.data, self.model.context, self.model.num_latents
    )

  def draw(self, sampler: samples.Sampler) -> list[pathlib.Path]:
    """Writes held-out beginnings and what the model has follow them."""
    _, held_out = self.splits()
    half = sampler.model.config.context // 2
    prompts = samples.beginnings(held_out, _NUM_SAMPLES, half)
    added = sampler.continued(prompts, min(half, _LONGEST))
    caption = "Held-out beginnings and, behind the bar, what the model adds"
    return [sampler.write(caption, prompts, added)]


_CONTEXTS = (1024, 256, 4096)
EXPERIMENTS = {
  f"context_{context}": Experiment(
    model=recipes.rotary_model(context=context), train=recipes.TRAIN
  )
  for context in _CONTEXTS
} | {
  f"convolution_{context}": Experiment(
    model=recipes.rotary_model(
      context=context, num_cross_heads=1, convolution_width=3
    ),
    train=recipes.TRAIN,
  )
  for context in _CONTEXTS
}
MINI = Experiment(
  model=recipes.rotary_model(context=512, num_latents=128, num_layers=2),
  train=dataclasses.replace(recipes.TRAIN, steps=2000),
)
