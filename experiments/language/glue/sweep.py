"""The paper's search for each task's best fine-tuning (2107.14795 table 13).

  python -m experiments.train glue-sweep --checkpoint FILE \\
      --data.source DIR [--tasks rte mrpc]

Every batch size is tried with every learning rate, 200 steps of warm-up and 10
epochs; of the twelve runs the one counts that is best on the development set at
its end. The paper does not say whether its best was one of a run's end.
Interrupted, the same command goes on; finished runs are not repeated.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import pathlib
from typing import NamedTuple

import tabulate

from experiments.cli import registry
from experiments.language.glue import configs
from experiments.language.glue import data as glue_data
from experiments.language.glue import glue_tasks
from experiments.language.glue import scores
from experiments.training import pretrained
from experiments.training import trainer


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepConfig:
  """The paper's search for each task's best fine-tuning.

  Interrupted, the same command goes on; finished runs are not repeated.

  Attributes:
    checkpoint: the pre-trained language model; None trains from scratch.
    tasks: names, one run each for every setting.
    data: the examples.
    recipes: what the names of the recipes begin with, such as bert_; those of
      Perceiver IO if empty, whose trunk is the checkpoint's.
    batch_sizes: examples per step.
    rates: learning rates.
    epochs: length of every run.
    warmup_steps: in which the rate rises.
    seed: of every run.
    workdir: the folder of the runs' folders.
  """

  checkpoint: pathlib.Path | None = None
  tasks: tuple[str, ...] = glue_tasks.AVERAGED
  data: glue_data.DataConfig = glue_data.DataConfig()
  recipes: str = ""
  batch_sizes: tuple[int, ...] = configs.BATCH_SIZES
  rates: tuple[float, ...] = configs.RATES
  epochs: float = 10
  warmup_steps: int = 200
  seed: int = 0
  workdir: pathlib.Path = pathlib.Path("runs/glue-sweep")

  def __post_init__(self) -> None:
    glue_data.eval_splits(self.tasks)
    if not (self.tasks and self.batch_sizes and self.rates):
      raise ValueError(
        "SweepConfig: tasks, batch_sizes and rates must have at least one each"
      )
    if self.recipes + self.tasks[0] not in configs.EXPERIMENTS:
      raise ValueError(
        f"SweepConfig: recipes is {self.recipes!r}; expected the beginning of "
        "names of recipes, such as bert_"
      )


class Run(NamedTuple):
  """One setting and its metrics on the development sets."""

  batch_size: int
  rate: float
  found: Mapping[str, float]  # all metrics
  model_file: pathlib.Path


def sweep(config: SweepConfig, name: str) -> list[Run]:
  """Trains one task with every setting, and returns the runs, best first."""
  runs = []
  for batch_size in config.batch_sizes:
    for rate in config.rates:
      workdir = config.workdir / name / f"batch_{batch_size}_rate_{rate:g}"
      setting = experiment(config, name, batch_size, rate)
      setting = pretrained.with_trunk(setting, config.checkpoint, workdir)
      registry.check(setting)
      registry.start(setting, workdir, config.checkpoint)
      report = trainer.train(setting, workdir, checkpoint=config.checkpoint)
      found = report.evaluation.metrics
      runs.append(Run(batch_size, rate, found, report.model_file))
  return sorted(runs, key=lambda run: -run.found["score"])


def experiment(
  config: SweepConfig, name: str, batch_size: int, rate: float
) -> configs.Experiment:
  """Returns one of the runs."""
  train = configs.fine_tuning(
    batch_size=batch_size,
    rate=rate,
    epochs=config.epochs,
    warmup_steps=config.warmup_steps,
  )
  return dataclasses.replace(
    configs.EXPERIMENTS[config.recipes + name],
    data=config.data,
    train=dataclasses.replace(train, seed=config.seed),
  )


def table(name: str, runs: Sequence[Run]) -> str:
  """Returns a table of the runs in Markdown, the metrics in hundredths."""
  metrics = [metric for metric in runs[0].found if metric != "loss"]
  rows = [
    [run.batch_size, f"{run.rate:g}", *(100 * run.found[m] for m in metrics)]
    for run in runs
  ]
  return tabulate.tabulate(
    rows,
    (f"{name}: batch", "rate", *metrics),
    tablefmt="pipe",
    floatfmt=".2f",
    disable_numparse=[1],
  )


def run(config: SweepConfig) -> None:
  """Runs the command `train glue-sweep`.

  Raises:
    errors.UsageError: if a setting cannot work on this machine.
    files.InputError: if a file cannot be used.
  """
  best: dict[str, float] = {}
  for name in config.tasks:
    runs = sweep(config, name)
    best |= runs[0].found
    print(table(name, runs), flush=True)
    print(f"best: {runs[0].model_file}\n", flush=True)
  tasks = (
    "the eight tasks"
    if set(config.tasks) >= set(glue_tasks.AVERAGED)
    else ", ".join(config.tasks)
  )
  print(f"average of {tasks}: {100 * scores.score(best):.2f}")
