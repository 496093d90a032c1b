"""Recipes for the copy task of Perceiver AR.

  python -m experiments.train copy --mini
  python -m experiments.train copy --recipe mirrored_32

A sequence is random bytes and the same in reverse order; the second half can be
predicted from the first. Evaluation is of the second half alone.
"""

import dataclasses

from experiments.data import loader
from experiments.generation import recipes
from experiments.generation import task as generation_task
from experiments.generation.copy import data as copy_data
from experiments.training import schedules
from experiments.training import tasks
from experiments.training import trainer
from perceiver import autoregressive
from perceiver.models import perceiver_ar


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(recipes.Experiment):
  """The copy task; the length of a sequence is the model's context."""

  data: copy_data.DataConfig = copy_data.DataConfig()

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Opens both splits."""
    return copy_data.splits(
      self.model.context, self.model.num_latents, self.data.eval_sequences
    )


_TRAIN = trainer.TrainConfig(
  batch_size=1024,
  steps=1_001_000,
  base_rate=3e-4,
  schedule=schedules.WarmupCosine(warmup_steps=1000),
  optimizer=recipes.ADAM,
  eval_every=10_000,
  eval_batch_size=512,
)
_SUMMED = generation_task.LossConfig(summed=True)

MINI = Experiment(
  model=perceiver_ar.perceiver_ar(
    context=256,
    num_latents=64,
    num_layers=1,
    channels=128,
    num_heads=4,
    positions=autoregressive.Sinusoidal(size=257),
    mlp_widening=2,
    dropout_rate=0.0,
  ),
  train=trainer.TrainConfig(
    batch_size=32,
    steps=10_000,
    base_rate=1e-3,
    schedule=schedules.WarmupCosine(warmup_steps=500),
    optimizer=recipes.ADAM,
    eval_every=1000,
    checkpoint_every=1000,
    log_every=100,
  ),
)
EXPERIMENTS = {
  "mirrored_32": Experiment(
    model=perceiver_ar.MIRRORED_32, loss=_SUMMED, train=_TRAIN
  ),
  "mirrored_131072": Experiment(
    model=perceiver_ar.MIRRORED_131072,
    data=copy_data.DataConfig(eval_sequences=4),
    loss=_SUMMED,
    train=dataclasses.replace(_TRAIN, batch_size=4096, eval_batch_size=4),
  ),
}
RESULTS = {
  "mirrored_131072": tasks.Result(
    metric="accuracy",
    paper=1.0,
    source="Perceiver AR (2202.07765)",
    split="mirrored held out",
  ),
}
