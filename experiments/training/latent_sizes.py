"""Training of one model for several numbers of latents.

A model that is trained with all of its latents cannot do with the first of them
alone. Trained with a random number of first latents in each step, it can, but
is worse with all; trained with all of them and, in the same step, with a random
smaller number that learns to give what all give, or what the data say (a
sandwich, as of slimmable networks, 1903.05134), it loses less.
"""

import dataclasses
import enum
from typing import Any, Protocol, runtime_checkable

import jax
from jaxtyping import Array, Float

from experiments.training import tasks
from perceiver import bounds
from perceiver import errors
from perceiver import latent_sizes

# The loss of the smaller number of latents, in the log.
_SMALLER = "smaller_loss"
_STREAM = 0x1A7E  # sets the choice of a size apart from all other randomness


class NotOfferedError(errors.PerceiverError, ValueError):
  """A task or its model cannot be trained for several numbers of latents."""


class Training(enum.Enum):
  """The latents that a step of training uses.

  ORDINARY uses all, PREFIX one of the sizes, or all, at random. SANDWICH uses
  all for the task's loss, and one of the smaller sizes at random: two passes,
  the second of them smaller.
  """

  ORDINARY = "ordinary"
  PREFIX = "prefix"
  SANDWICH = "sandwich"


class Target(enum.Enum):
  """The target of the smaller number of latents in a sandwich.

  OUTPUTS are those of all latents, from which the task states a distance. DATA
  has the task's own loss for both, and is the choice where all latents learn
  little at first: a distance by absolute errors then holds them back.
  """

  OUTPUTS = "outputs"
  DATA = "data"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentSizes:
  """Numbers of latents that a model is trained for.

  Attributes:
    sizes: numbers of first latents, ascending; all of them need not be stated.
    training: the latents that a step uses.
    target: what the smaller number learns to give in a sandwich.
    weight: of the smaller number's loss in a sandwich.
  """

  sizes: tuple[int, ...] = ()
  training: Training = Training.ORDINARY
  target: Target = Target.OUTPUTS
  weight: float = 1.0

  def __post_init__(self) -> None:
    bounds.check_ranges(self, weight="(0, inf)")
    if self.training is Training.ORDINARY and not self.sizes:
      return
    if not self.sizes or not all(
      a < b for a, b in zip((0, *self.sizes), self.sizes)
    ):
      raise ValueError(
        f"LatentSizes: sizes is {self.sizes} in {self.training.value} "
        "training; expected ascending numbers from 1."
      )
    if self.training is Training.ORDINARY:
      raise ValueError(
        f"LatentSizes: sizes is {self.sizes} in ordinary training, which uses "
        "all latents; expected training to be prefix or sandwich."
      )


@runtime_checkable
class HasDistance(Protocol):
  """A task whose `Losses.outputs` can be compared."""

  def distance(
    self, outputs: Any, wanted: Any, batch: tasks.Batch
  ) -> Float[Array, "B"]:
    """Returns each example's loss of outputs against those that it should have.

    Args:
      outputs: the `outputs` of the task's losses, of a model that learns.
      wanted: those of a model that teaches.
      batch: the examples.
    """


def trained(task: tasks.Task, config: LatentSizes) -> tasks.Task:
  """Returns the losses that a step of training minimises.

  Args:
    task: the problem.
    config: the numbers of latents.

  Returns:
    The task itself in ordinary training, else its model and losses.

  Raises:
    NotOfferedError: if the task cannot be trained so, or its model has not so
      many latents.
  """
  if config.training is Training.ORDINARY:
    return task
  name, model = type(task).__name__, task.model
  most = latent_sizes.count(getattr(model, "config", None))
  if most is None or not dataclasses.is_dataclass(task):
    raise NotOfferedError(
      f"{name} cannot be trained for several numbers of latents: its model has "
      "none"
    )
  if config.sizes[-1] > most:
    raise NotOfferedError(
      f"train.latents.sizes is {config.sizes}; the model has {most} latents"
    )
  smaller = tuple(with_first(task, n) for n in config.sizes if n < most)
  if config.training is Training.PREFIX:
    return _Trained(task, (*smaller, task))
  if config.target is Target.OUTPUTS and not isinstance(task, HasDistance):
    raise NotOfferedError(
      f"{name} has no distance between outputs, by which fewer latents learn "
      "from all: train.latents.target outputs is not offered in a sandwich; "
      "expected data"
    )
  if not smaller:
    raise NotOfferedError(
      f"train.latents.sizes is {config.sizes}; a sandwich needs a smaller "
      f"number than all {most} latents"
    )
  return _Trained(task, smaller, config.weight, config.target)


def with_first(task: Any, num_latents: int) -> Any:
  """Returns a task whose model uses the first latents only.

  Raises:
    NotOfferedError: if the model has not so many, or has none.
  """
  try:
    latent_sizes.with_first(task.model.config, num_latents)
  except ValueError as error:
    raise NotOfferedError(str(error)) from error
  model = dataclasses.replace(task.model, num_latents=num_latents)
  return dataclasses.replace(task, model=model)


@dataclasses.dataclass(frozen=True)
class _Trained:
  """A task whose losses are those of several numbers of latents.

  Attributes:
    task: with all latents.
    choices: with the numbers of which each step takes one.
    weight: in a sandwich, of the chosen one's loss, which is added to that of
      all latents; None for a prefix, the chosen one's loss alone.
    target: what the chosen one's loss in a sandwich compares with.
  """

  task: Any
  choices: tuple[tasks.Task, ...]
  weight: float | None = None
  target: Target = Target.OUTPUTS

  @property
  def model(self) -> Any:
    return self.task.model

  def losses(
    self,
    variables: Any,
    batch: tasks.Batch,
    *,
    rng: jax.Array,
    is_training: bool,
  ) -> tasks.Losses:
    """Returns the losses with the number of latents that the key chooses."""

    def of(task: tasks.Task, variables: Any) -> tasks.Losses:
      return task.losses(variables, batch, rng=rng, is_training=is_training)

    if self.weight is None:
      alone = lambda *args: of(*args)._replace(outputs=None)
      return _one_of(self.choices, alone, rng, variables)
    whole = of(self.task, variables)
    wanted = jax.lax.stop_gradient(whole.outputs)

    def apart(task: tasks.Task, variables: Any) -> Float[Array, "B"]:
      found = of(task, variables)
      if self.target is Target.DATA:
        return found.loss
      return self.task.distance(found.outputs, wanted, batch)

    smaller = _one_of(self.choices, apart, rng, variables)
    return whole._replace(
      loss=whole.loss + self.weight * smaller,
      metrics={**whole.metrics, _SMALLER: smaller},
      outputs=None,
    )


def _one_of(
  choices: tuple[tasks.Task, ...], function: Any, rng: jax.Array, variables: Any
) -> Any:
  """Returns a function of one of several tasks, chosen by a key.

  The backward pass computes the chosen one again: what it would keep is
  otherwise kept for every choice, as zeros.
  """
  index = jax.random.randint(
    jax.random.fold_in(rng, _STREAM), (), 0, len(choices)
  )
  branches = [
    lambda variables, task=task: function(task, variables) for task in choices
  ]
  chosen = jax.checkpoint(lambda x: jax.lax.switch(index, branches, x))
  return chosen(variables)
