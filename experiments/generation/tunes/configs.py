"""Recipes for folk tunes in ABC notation.

  python -m experiments.train tunes --mini
  python -m experiments.train tunes --data.source tunes.jsonl

`--mini` learns synthetic tunes.
"""

import dataclasses
import pathlib

from experiments.data import loader
from experiments.generation import recipes
from experiments.generation import samples
from experiments.generation import sequences
from experiments.generation.tunes import data as tunes_data
from experiments.generation.tunes import notes

_NUM_SAMPLES, _LONGEST = 3, 300


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(recipes.Experiment):
  """Folk tunes, byte by byte."""

  data: tunes_data.DataConfig = tunes_data.DataConfig()

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Opens both splits."""
    return tunes_data.splits(
      self.data, self.model.context, self.model.num_latents
    )

  def draw(self, sampler: samples.Sampler) -> list[pathlib.Path]:
    """Writes a tune after each of some held-out ones, and their notes."""
    _, held_out = tunes_data.documents(self.data.source)
    prompts = [
      sequences.encode(tune + b"\n")[-sampler.model.config.context :]
      for tune in held_out[:_NUM_SAMPLES]
    ]
    added = sampler.continued(prompts, _LONGEST)
    tunes = [text.partition(b"\n\n")[0] for text in added]
    caption = "Ends of held-out tunes and, behind the bar, the model's own"
    text = sampler.write(caption, prompts, tunes)
    picture = sampler.folder / "samples.png"
    parsed = [notes.parse(tune.decode("utf-8", "replace")) for tune in tunes]
    notes.plot(picture, parsed)
    return [text, picture]


EXPERIMENTS = {
  f"context_{context}": Experiment(
    model=recipes.rotary_model(
      context=context, num_latents=64, channels=192, dropout_rate=0.2
    ),
    train=dataclasses.replace(recipes.TRAIN, batch_size=32, steps=6500),
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
