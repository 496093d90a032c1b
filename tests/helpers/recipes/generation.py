"""A tiny experiment of bytes: the copy task and synthetic texts."""

import dataclasses

from experiments.generation import recipes
from experiments.generation.copy import configs as copy_configs
from experiments.generation.copy import data as copy_data
from experiments.generation.text import configs as text_configs
from experiments.generation.text import data as text_data

_MODEL = recipes.rotary_model(
  context=16, num_latents=8, num_layers=1, channels=16, num_heads=2
)
_TRAIN = dataclasses.replace(
  recipes.TRAIN,
  batch_size=8,
  steps=12,
  schedule=dataclasses.replace(recipes.TRAIN.schedule, warmup_steps=2),
  eval_every=6,
  checkpoint_every=6,
  log_every=6,
)
MINI = copy_configs.Experiment(
  model=_MODEL, data=copy_data.DataConfig(eval_sequences=6), train=_TRAIN
)
EXPERIMENTS = {
  "text": text_configs.Experiment(
    model=_MODEL,
    data=text_data.DataConfig(
      source=text_data.Source(text_data.Corpus.SYNTHETIC), eval_windows=11
    ),
    train=_TRAIN,
  )
}
