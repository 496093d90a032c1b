"""Recipes for GLUE, the rows of tables 1, 2 and 14 of 2107.14795.

  python -m experiments.train glue --mini
  python -m experiments.train glue --mini --checkpoint MASKED_LANGUAGE_MODEL
  python -m experiments.train glue --recipe mini_cola --checkpoint FILE
  python -m experiments.train glue --recipe rte --checkpoint FILE \\
      --data.source DIR

DIR holds the official folders, CoLA and so on; without it the data sets are
those of TensorFlow Datasets. A checkpoint brings its own trunk, whatever its
size, which options may change. `experiments.train glue-sweep` runs the paper's
search over batches and rates, `experiments.predict glue-submission` writes the
test server's files. None has been run at full size with this code.
"""

import dataclasses

from experiments.cli.papers import published
from experiments.language.glue import data as glue_data
from experiments.language.glue import glue_tasks
from experiments.language.glue import synthetic
from experiments.language.glue import task as glue_task
from experiments.language.text import bert
from experiments.language.text import mini_model
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import tasks
from experiments.training import trainer
import perceiver
from perceiver.models import glue
from perceiver.models import language


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """GLUE: one task, or several at once, by one model.

  Attributes:
    model: the classifier.
    data: training and development sets.
    train: the training's settings.
  """

  model: glue.GlueConfig | bert.BertConfig
  data: glue_data.DataConfig = glue_data.DataConfig()
  train: trainer.TrainConfig

  def __post_init__(self) -> None:
    for task in self.model.tasks:
      if (
        task.name in glue_tasks.ALL and task != glue_tasks.ALL[task.name].config
      ):
        raise ValueError(
          f"model.tasks: {task.name} has {task.num_outputs} outputs; expected "
          f"{glue_tasks.ALL[task.name].num_outputs}"
        )
    glue_data.eval_splits([task.name for task in self.model.tasks])

  def task(self) -> glue_task.Glue:
    """Returns the task."""
    return glue_task.Glue(
      model=perceiver.create(self.model),
      data=self.data,
      eval_batch_size=self.train.evaluation_batch_size,
    )


# ----------------------------------------- fine-tuning, 2107.14795 table 13

BATCH_SIZES = (16, 32, 64)
RATES = (1e-4, 5e-5, 2e-5, 1e-5)


def fine_tuning(
  *,
  batch_size: int = 32,
  rate: float = 5e-5,
  epochs: float = 10,
  warmup_steps: int = 200,
) -> trainer.TrainConfig:
  """Returns table 13's training; its schedule is not given: a cosine."""
  return trainer.TrainConfig(
    batch_size=batch_size,
    epochs=epochs,
    base_rate=rate,
    schedule=schedules.WarmupCosine(warmup_steps=warmup_steps),
    optimizer=optimizers.Lamb(weight_decay=0.01, clip_norm=None),
    fine_tuning=True,
    eval_batch_size=64,
  )


def single(
  name: str, trunk: language.LanguageModelConfig = language.BYTES
) -> glue.GlueConfig:
  """Returns a model of one task, with one query."""
  return glue.GlueConfig(trunk=trunk, tasks=(glue_tasks.ALL[name].config,))


def _published(model: glue.GlueConfig | bert.BertConfig) -> Experiment:
  return Experiment(model=model, train=fine_tuning())


# ------------------------------------------------------------------------ mini


MINI = Experiment(
  model=glue.multitask(glue.QueryKind.QUERIES, mini_model.CONFIG),
  # Texts of three words mostly fit into the model's 64 bytes.
  data=glue_data.DataConfig(
    source=glue_data.Source(glue_data.Kind.SYNTHETIC),
    synthetic=synthetic.SyntheticConfig(words=3),
  ),
  train=trainer.TrainConfig(
    batch_size=32,
    steps=1500,
    base_rate=5e-4,
    schedule=schedules.WarmupCosine(warmup_steps=100),
    optimizer=optimizers.Adam(weight_decay=0.01, clip_norm=1.0),
    eval_batch_size=64,
    eval_every=500,
    checkpoint_every=500,
    log_every=50,
  ),
)


def _mini_single(name: str) -> Experiment:
  """Returns `MINI` for one task, which has all examples of its batches."""
  train = dataclasses.replace(
    MINI.train,
    steps=400,
    schedule=schedules.WarmupCosine(warmup_steps=25),
    eval_every=200,
    checkpoint_every=200,
  )
  model = single(name, mini_model.CONFIG)
  return dataclasses.replace(MINI, model=model, train=train)


EXPERIMENTS = {
  "multitask": _published(glue.multitask(glue.QueryKind.QUERIES)),
  "multitask_shared_token": _published(
    glue.multitask(glue.QueryKind.SHARED_TOKEN)
  ),
  "multitask_task_tokens": _published(
    glue.multitask(glue.QueryKind.TASK_TOKENS)
  ),
  **{
    f"{prefix}{name}": _published(single(name, trunk))
    for prefix, trunk in (
      ("", language.BYTES),
      ("sentencepiece_", language.SENTENCEPIECE),
      ("bytes_large_", language.BYTES_LARGE),
    )
    for name in glue_tasks.TASKS
  },
  **{
    f"{prefix}{name}": _published(model((task.config,)))
    for prefix, model in (
      ("bert_", bert.byte_bert),
      ("bert_sentencepiece_", bert.base_bert),
    )
    for name, task in glue_tasks.TASKS.items()
  },
  **{f"mini_{name}": _mini_single(name) for name in glue_tasks.TASKS},
}

RESULTS = {
  **published.results("glue"),
  "mini": tasks.Result(metric="score", ours=0.715),
}
