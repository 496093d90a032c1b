"""Learning rates as functions of the step.

`total_steps` and `steps_per_epoch` need not be whole: 110 epochs of 1,281,167
images in batches of 1,024 are 137,625.36 steps, and the recipes of the paper
place their corners by that number.
"""

import dataclasses

import optax

from perceiver import bounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Constant:
  """The base rate from the first step to the last."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarmupConstant:
  """A straight rise from 0, then the base rate.

  Attributes:
    warmup_steps: length of the rise.
  """

  warmup_steps: int

  def __post_init__(self) -> None:
    bounds.check_ranges(self, "warmup_steps")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConstantThenCosine:
  """The base rate for a while, then half a cosine down (Perceiver IO, A.1).

  Attributes:
    constant_fraction: the part of all steps, in [0, 1), at the base rate.
    end_value: the rate at the last step, as a fraction of the base rate.
  """

  constant_fraction: float = 0.5
  end_value: float = 0.0

  def __post_init__(self) -> None:
    bounds.check_ranges(self, constant_fraction="[0, 1)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarmupCosine:
  """A straight rise to the base rate, then half a cosine down.

  Attributes:
    warmup_steps: length of the rise in steps; None if given in epochs.
    warmup_epochs: length of the rise in epochs; None if given in steps.
    init_value: the rate at step 0, as a fraction of the base rate.
    end_value: the rate at the last step, as a fraction of the base rate.
  """

  warmup_steps: int | None = None
  warmup_epochs: float | None = None
  init_value: float = 0.0
  end_value: float = 0.0

  def __post_init__(self) -> None:
    if (self.warmup_steps is None) == (self.warmup_epochs is None):
      raise ValueError(
        "give exactly one of warmup_steps and warmup_epochs, not "
        f"warmup_steps={self.warmup_steps} and "
        f"warmup_epochs={self.warmup_epochs}"
      )
    bounds.check_ranges(self, warmup_steps="[0, inf)", warmup_epochs="[0, inf)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Steps:
  """The base rate, multiplied by `decay` at every boundary.

  The defaults are those of the released code. The paper's first model used
  epochs 84, 102 and 114 of 120 (Perceiver, section 4.1), which is
  (0.7, 0.85, 0.95).

  Attributes:
    boundaries: where the rate falls, as increasing fractions of all steps.
    decay: what it is multiplied by each time.
  """

  boundaries: tuple[float, ...] = (0.5, 0.8, 0.95)
  decay: float = 0.1

  def __post_init__(self) -> None:
    rising = sorted(set(self.boundaries)) == list(self.boundaries)
    if not rising or not all(0 < b < 1 for b in self.boundaries):
      raise ValueError(
        "boundaries must be increasing fractions between 0 and 1, not "
        f"{self.boundaries}"
      )


Schedule = Constant | ConstantThenCosine | WarmupCosine | Steps | WarmupConstant


def build(
  config: Schedule,
  base_rate: float,
  total_steps: float,
  steps_per_epoch: float,
) -> optax.Schedule:
  """Makes the function from step to learning rate.

  Args:
    config: the shape of the curve.
    base_rate: its height.
    total_steps: steps of the whole training, not necessarily whole.
    steps_per_epoch: steps of one pass through the examples.

  Returns:
    A function of the number of steps already made.

  Raises:
    ValueError: if the warm-up is as long as the training.
  """
  match config:
    case Constant():
      return optax.constant_schedule(base_rate)
    case WarmupConstant():
      return optax.linear_schedule(0.0, base_rate, config.warmup_steps)
    case ConstantThenCosine():
      return _constant_then_cosine(config, base_rate, total_steps)
    case WarmupCosine():
      return _warmup_cosine(config, base_rate, total_steps, steps_per_epoch)
    case Steps():
      corners = {int(b * total_steps): config.decay for b in config.boundaries}
      return optax.piecewise_constant_schedule(base_rate, corners)


def _constant_then_cosine(
  config: ConstantThenCosine, base_rate: float, total_steps: float
) -> optax.Schedule:
  corner = int(config.constant_fraction * total_steps)
  decay = optax.cosine_decay_schedule(
    base_rate, total_steps - corner, alpha=config.end_value
  )
  return optax.join_schedules(
    [optax.constant_schedule(base_rate), decay], [corner]
  )


def _warmup_cosine(
  config: WarmupCosine,
  base_rate: float,
  total_steps: float,
  steps_per_epoch: float,
) -> optax.Schedule:
  warmup = float(config.warmup_steps or 0)
  if config.warmup_epochs is not None:
    warmup = config.warmup_epochs * steps_per_epoch
  if warmup >= total_steps:
    raise ValueError(
      f"The warm-up is {warmup:g} steps; expected less than the training's "
      f"{total_steps:g}."
    )
  return optax.warmup_cosine_decay_schedule(
    init_value=config.init_value * base_rate,
    peak_value=base_rate,
    warmup_steps=warmup,
    decay_steps=total_steps,
    end_value=config.end_value * base_rate,
  )
