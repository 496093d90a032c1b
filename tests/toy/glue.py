"""A tiny experiment of GLUE, on made-up files."""

import tiny_glue

from experiments import optimizers
from experiments import parallel
from experiments import schedules
from experiments import trainer
from experiments.glue import configs
from experiments.glue import data
from experiments.glue import toy_files
from perceiver.models import glue

MINI = configs.Experiment(
  model=glue.multitask(glue.Reading.QUERIES, tiny_glue.TRUNK),
  data=data.DataConfig(
    source=data.Source.GENERATED,
    generated=toy_files.ToyConfig(train=16, dev=6, test=3, words=3),
  ),
  train=trainer.TrainConfig(
    batch_size=16,
    steps=4,
    base_rate=1e-3,
    schedule=schedules.Constant(),
    optimizer=optimizers.Adam(),
    eval_batch_size=32,
    eval_every=2,
    checkpoint_every=2,
    log_every=2,
    parallel=parallel.ParallelConfig(data=1),
  ),
)
EXPERIMENTS = {"same": MINI}
