"""Recipes for masked language modelling.

  python -m experiments.train masked-language
  python -m experiments.train masked-language --recipe sentencepiece \\
    --data.sentencepiece-model pieces.model
  python -m experiments.train masked-language --mini

Published on TPUs; none has been run at full size with this code. C4 and
Wikipedia are those that TensorFlow Datasets has prepared; with `--data.source
DIR`, texts are a folder of .txt, .jsonl and .json files, and with
`--data.evaluate-on DIR`, another one is evaluated on. `--mini` learns from the
prose that ships with Python; `small` and `sentencepiece_small` are for texts of
tens of megabytes.
"""

import dataclasses

from experiments.language.masked_language import data as language_data
from experiments.language.masked_language import task as language_task
from experiments.language.text import bert
from experiments.language.text import corpora
from experiments.language.text import mini_model
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import tasks
from experiments.training import trainer
import perceiver
from perceiver.models import language


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """Masked language modelling."""

  model: language.LanguageModelConfig | bert.BertConfig
  data: language_data.DataConfig = language_data.DataConfig()
  loss: language_task.LossConfig = language_task.LossConfig()
  train: trainer.TrainConfig

  def task(self) -> language_task.MaskedLanguage:
    """Returns the task."""
    return language_task.MaskedLanguage(
      model=perceiver.create(self.model), data=self.data, loss=self.loss
    )


# ----------------------------------- Perceiver IO, 2107.14795 table 12

# Clipping is not published: none.
_TRAIN = trainer.TrainConfig(
  batch_size=2048,
  steps=500_000,
  base_rate=1.25e-3,
  schedule=schedules.WarmupCosine(warmup_steps=1000),
  optimizer=optimizers.Lamb(weight_decay=0.01, clip_norm=None),
  eval_every=25_000,
  checkpoint_every=1000,
)


# ------------------------------------------------------------------------ mini


MINI = Experiment(
  model=mini_model.CONFIG,
  data=language_data.DataConfig(
    source=corpora.PYTHON_TOPICS,
    mask_spaces=False,  # whose number of bits is that of words alone
    max_masked=0.4,
    eval_examples=None,
    eval_masks=2,
  ),
  loss=language_task.LossConfig(visible=0.5),
  train=trainer.TrainConfig(
    batch_size=32,
    steps=6000,
    base_rate=1e-3,
    schedule=schedules.WarmupCosine(warmup_steps=200),
    optimizer=optimizers.Adam(weight_decay=0.01, clip_norm=1.0),
    eval_every=1000,
    checkpoint_every=500,
    log_every=100,
  ),
)

EXPERIMENTS = {
  name: Experiment(model=language.CONFIGS[f"language_{name}"], train=_TRAIN)
  for name in (
    *("bytes", "sentencepiece", "bytes_large"),
    *("bytes_128_latents", "bytes_512_latents"),  # table 15
  )
}
EXPERIMENTS |= {
  "bert_bytes": Experiment(model=bert.byte_bert(), train=_TRAIN),
  "bert_sentencepiece": Experiment(model=bert.base_bert(), train=_TRAIN),
}
# The trunks of `sentences`, for texts of tens of megabytes.
EXPERIMENTS["small"] = dataclasses.replace(
  MINI,
  model=mini_model.SENTENCES,
  data=dataclasses.replace(
    MINI.data,
    source=corpora.Source(corpora.Corpus.FILES),
    eval_examples=1000,
  ),
  train=dataclasses.replace(MINI.train, steps=20_000, eval_every=5000),
)
EXPERIMENTS["sentencepiece_small"] = dataclasses.replace(
  EXPERIMENTS["small"],
  model=mini_model.PIECES,
  data=language_data.DataConfig(
    source=corpora.Source(corpora.Corpus.FILES),
    documents=1,  # Pieces of ten take a third of the time of a step.
    max_masked=0.2,
    eval_examples=1000,
  ),
  loss=language_task.LossConfig(),
  train=dataclasses.replace(MINI.train, steps=10_000, eval_every=2000),
)
RESULTS = {"mini": tasks.Result(metric="bits_per_byte", ours=3.78)}
