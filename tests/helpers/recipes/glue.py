"""A tiny experiment of GLUE, on synthetic files."""

from experiments.language.glue import configs
from experiments.language.glue import data
from experiments.language.glue import synthetic
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import sharding
from experiments.training import trainer
from perceiver.models import glue
from tests.helpers import tiny_glue

MINI = configs.Experiment(
  model=glue.multitask(glue.QueryKind.QUERIES, tiny_glue.TRUNK),
  data=data.DataConfig(
    source=data.Source(data.Kind.SYNTHETIC),
    synthetic=synthetic.SyntheticConfig(train=16, dev=6, test=3, words=3),
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
    parallel=sharding.ParallelConfig(data=1),
  ),
)
EXPERIMENTS = {"same": MINI}
