"""Recipes for sentences with human ratings: films, products, news, tweets.

  pip download --no-deps --no-binary vaderSentiment vaderSentiment==3.3.2
  python -m experiments.prepare sentences ARCHIVE DIR
  python -m experiments.train sentences --recipe films --data.source DIR \\
      [--checkpoint MASKED_LANGUAGE_MODEL]
  python -m experiments.train sentences --recipe sentencepiece_films \\
      --data.source DIR --data.sentencepiece-model FILE
  python -m experiments.train sentences --mini

The mean rating is learned as a degree from 0 to 5; its Pearson correlation and
the share of right signs are reported. `experiments.evaluate sentence-baselines
DIR` fits TF-IDF with linear models. A model for `--checkpoint` is trained by
`experiments.train masked-language --recipe small --data.source TEXTS`, or
`sentencepiece_small`, whose FILE of 8,000 pieces `experiments.prepare
sentencepiece --source TEXTS --vocab-size 8000 --output FILE` makes.
"""

import dataclasses

from experiments.language.glue import configs
from experiments.language.glue import data
from experiments.language.glue import glue_tasks
from experiments.language.glue import synthetic
from experiments.language.sentences import prepare
from experiments.language.text import mini_model
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import trainer


@dataclasses.dataclass(frozen=True)
class Source(data.Source):
  """The sentences, whose path is the folder of the tables."""

  advice = prepare.PACKAGE.advice(
    "sentences ARCHIVE DIR", "sentences --recipe films --data.source DIR"
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig(data.DataConfig):
  """The sentences."""

  source: Source = Source(data.Kind.FILES)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(configs.Experiment):
  """Ratings of sentences by one model."""

  data: DataConfig = DataConfig()


_TRAIN = trainer.TrainConfig(
  batch_size=32,
  epochs=10,
  base_rate=5e-4,
  schedule=schedules.WarmupCosine(warmup_steps=100),
  optimizer=optimizers.Adam(weight_decay=0.01, clip_norm=1.0),
  eval_batch_size=64,
  checkpoint_every=500,
  log_every=50,
  fine_tuning=True,
)
EXPERIMENTS = {
  name: Experiment(
    model=configs.single(name, mini_model.SENTENCES), train=_TRAIN
  )
  for name in glue_tasks.RATED
}
# On held-out training sentences ten epochs were no better than three.
EXPERIMENTS |= {
  f"sentencepiece_{name}": Experiment(
    model=configs.single(name, mini_model.PIECES),
    train=dataclasses.replace(_TRAIN, epochs=3),
  )
  for name in glue_tasks.RATED
}
MINI = Experiment(
  model=configs.single("films", mini_model.CONFIG),
  data=DataConfig(
    source=Source(data.Kind.SYNTHETIC),
    synthetic=synthetic.SyntheticConfig(words=3),
  ),
  train=dataclasses.replace(
    _TRAIN, epochs=None, steps=500, eval_every=250, fine_tuning=False
  ),
)
