"""Configuration of the training."""

import dataclasses
import enum

import optax

from experiments.training import latent_sizes
from experiments.training import optimizers
from experiments.training import precision
from experiments.training import schedules
from experiments.training import sharding
from perceiver import bounds
from perceiver import errors

# Fields that may change between the parts of one run: they decide how often
# something is written and where things are, not what is learned.
_PLACES = ("data.cache_dir", "data.source.path", "data.evaluate_on")
MAY_DIFFER = (
  *_PLACES,
  "evaluation.submission_dir",
  ".remat",
  "train.accumulate",
  "train.best_metric",
  "train.checkpoint_every",
  "train.checkpoint_in_background",
  "train.eval_batch_size",
  "train.eval_every",
  "train.eval_matmul_precision",
  "train.fine_tuning",
  "train.keep",
  "train.keep_every",
  "train.loader_threads",
  "train.loader_workers",
  "train.log_every",
  "train.parallel",
  "train.profile",
  "train.wandb",
)

# Fields that may be changed on purpose while a run goes on.
MAY_BE_AMENDED = (
  "train.base_rate",
  "train.epochs",
  "train.matmul_precision",
  "train.non_finite",
  "train.optimizer.clip_norm",
  "train.scale_rate_with_batch",
  "train.schedule",
  "train.steps",
)

# Fields that may differ between the processes of one run.
MAY_DIFFER_BETWEEN_PROCESSES = (
  *_PLACES,
  "train.loader_threads",
  "train.loader_workers",
)


class LengthError(errors.PerceiverError, ValueError):
  """The training is too short, for a batch or for its warm-up."""


class NonFinite(enum.Enum):
  """Treatment of a step whose loss or gradient is not a number.

  STOP ends the run at the next row of the log or checkpoint, and keeps the
  batch. SKIP leaves parameters, model state and optimizer as they were, the
  optimizer's own count of steps included, and counts such steps in the log.
  """

  STOP = "stop"
  SKIP = "skip"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
  """Configuration of the training of a model.

  Attributes:
    batch_size: examples per step, over all devices.
    steps: length of the training in steps; None if given in epochs.
    epochs: length of the training in epochs; None if given in steps.
    base_rate: learning rate that the schedule starts from.
    scale_rate_with_batch: whether base_rate is meant for a batch of 256 and
      grows in proportion to the batch.
    schedule: how the learning rate changes.
    optimizer: how a gradient becomes an update.
    fine_tuning: whether it is meant to begin with a pre-trained model; a run
      without one says so in its first line.
    seed: determines first parameters, order of the data and all randomness.
    eval_every: steps between evaluations; None for one at the end.
    eval_batch_size: examples at a time in evaluation, None for batch_size.
    best_metric: the evaluation metric by which the best model is kept, with a
      minus before it if lower is better; None for the last model only.
    accumulate: parts of a batch that are computed one after the other, so
      that a step needs less memory.
    non_finite: what happens to a step whose loss or gradient is no number.
    checkpoint_every: steps between checkpoints, what kill -9 may cost.
    checkpoint_in_background: whether training goes on while a checkpoint is
      written; kill -9 may then cost two intervals.
    keep: checkpoints kept, the newest ones.
    keep_every: checkpoints of a multiple of so many steps are kept, too.
    log_every: steps between rows of the log, which are means over them. A loss
      that is not a number is noticed then.
    matmul_precision: of the training step's products of float32.
    eval_matmul_precision: of those of evaluation, in the run and afterwards.
    latents: numbers of latents that the model is trained for.
    profile: steps, from the third on, of which a profile is written into the
      run's folder; None for none.
    wandb: project of Weights & Biases that gets the run's numbers, too; None
      for none.
    loader_threads: threads that read and prepare examples; None is one per
      core.
    loader_workers: processes that do so in place of threads; 0 for threads.
    parallel: the devices and their use.
  """

  batch_size: int
  steps: int | None = None
  epochs: float | None = None
  base_rate: float
  scale_rate_with_batch: bool = False
  schedule: schedules.Schedule = schedules.ConstantThenCosine()
  optimizer: optimizers.Optimizer = optimizers.Lamb()
  fine_tuning: bool = False
  seed: int = 0
  eval_every: int | None = None
  eval_batch_size: int | None = None
  best_metric: str | None = None
  accumulate: int = 1
  non_finite: NonFinite = NonFinite.STOP
  checkpoint_every: int = 1000
  checkpoint_in_background: bool = False
  keep: int = 3
  keep_every: int | None = None
  log_every: int = 100
  matmul_precision: precision.MatmulPrecision = (
    precision.MatmulPrecision.DEFAULT
  )
  eval_matmul_precision: precision.MatmulPrecision = (
    precision.MatmulPrecision.TENSORFLOAT32
  )
  latents: latent_sizes.LatentSizes = latent_sizes.LatentSizes()
  profile: int | None = None
  wandb: str | None = None
  loader_threads: int | None = None
  loader_workers: int = 0
  parallel: sharding.ParallelConfig = sharding.ParallelConfig()

  def __post_init__(self) -> None:
    if (self.steps is None) == (self.epochs is None):
      raise ValueError(
        "give exactly one of steps and epochs, the other as None, not "
        f"steps={self.steps} and epochs={self.epochs}"
      )
    bounds.check_ranges(
      self,
      "batch_size",
      "steps",
      "eval_every",
      "eval_batch_size",
      "accumulate",
      "checkpoint_every",
      "keep",
      "keep_every",
      "log_every",
      "profile",
      epochs="(0, inf)",
      loader_threads="[0, inf)",
      loader_workers="[0, inf)",
    )

  @property
  def evaluation_batch_size(self) -> int:
    """Examples at a time in evaluation, over all devices."""
    return self.eval_batch_size or self.batch_size


def learning_rate(
  config: TrainConfig, num_examples: int
) -> tuple[optax.Schedule, int]:
  """Returns the rate as a function of the step, and the number of steps.

  Args:
    config: gives the length of the training and the base rate.
    num_examples: examples in an epoch.

  Raises:
    LengthError: if that is less than a step, or no longer than the warm-up.
  """
  steps_per_epoch = num_examples / config.batch_size
  length = config.steps or (config.epochs or 0) * steps_per_epoch
  if length < 1:
    raise LengthError(
      f"train.epochs is {config.epochs}, which of {num_examples} examples is "
      f"less than one batch of {config.batch_size}; expected more. Change "
      "--train.epochs, --train.steps or --train.batch-size."
    )
  peak = config.base_rate
  if config.scale_rate_with_batch:
    peak = peak * config.batch_size / 256
  try:
    rate = schedules.build(config.schedule, peak, length, steps_per_epoch)
  except ValueError as error:
    raise LengthError(
      f"{error} Change --train.steps or --train.epochs, and with them "
      "--train.schedule.warmup-steps or --train.schedule.warmup-epochs."
    ) from error
  return rate, int(length)
