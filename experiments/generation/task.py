"""Generation of sequences: loss, metrics and plots."""

from collections.abc import Callable
import dataclasses
import math
import pathlib

import jax
import jax.numpy as jnp

from experiments.data import loader
from experiments.generation import plots
from experiments.generation import samples
from experiments.runs import plots as runs_plots
from experiments.training import tasks
import perceiver
from perceiver import autoregressive
from perceiver import bounds
from perceiver.autoregressive import sequence_positions

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
  """The loss of the elements that the latents predict.

  Attributes:
    z_loss: weight of log² Z, which keeps logits from drifting.
    summed: whether the loss of an example is the sum over its elements, as
      released, not their mean. Only clipping makes a difference.
  """

  z_loss: float = 1e-4
  summed: bool = False

  def __post_init__(self) -> None:
    bounds.check_ranges(self, z_loss="[0, inf)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generation(tasks.HasSplits):
  """A Perceiver AR, and its training and held-out sequences.

  Attributes:
    model: inputs [B, M] -> logits [B, N, V].
    splits: opens both splits, whose entries are those of `sequences.example`.
    unit: the metric's unit, "byte" or "dimension".
    loss: of an element.
    draw: writes samples into the sampler's folder, and returns the files.
  """

  model: perceiver.Model
  splits: Callable[[], tuple[loader.Split, loader.Split]]
  unit: str = "byte"
  loss: LossConfig = LossConfig()
  draw: Callable[[samples.Sampler], list[pathlib.Path]] | None = None

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of a training example."""
    inputs = ((self.model.config.context,), jnp.int32)
    return tasks.shapes(
      inputs=inputs,
      targets=inputs,
      first=((), jnp.int32),
      counted=((), jnp.int32),
      average=((), jnp.float32),
    )

  def losses(
    self,
    variables: perceiver.Variables,
    batch: tasks.Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> tasks.Losses:
    """Computes loss and metrics of the elements that count.

    Metrics are sums over an example's elements by the number that an example
    has on average, so that the mean over a split is that over its elements.
    """
    inputs = batch["inputs"]  # [B, M]
    positions = positions_of(batch, self.model.config)  # [B, M, P]
    logits, state = self.model.apply_and_update(
      variables, inputs, rng=rng, is_training=is_training, positions=positions
    )  # [B, N, V]
    labels, counted = labels_of_latents(batch, logits.shape[1])  # [B, N]
    nats, z_loss = cross_entropy(logits, labels, self.loss.z_loss)
    right = jnp.argmax(logits, axis=-1) == labels
    average = jnp.maximum(batch["average"], 1)
    total = lambda x: jnp.sum(jnp.where(counted, x, 0), axis=-1)
    loss = total(nats + z_loss)
    metrics = {
      f"bits_per_{self.unit}": total(nats) / math.log(2) / average,
      "accuracy": total(right) / average,
    }
    return tasks.Losses(
      loss if self.loss.summed else loss / average, metrics, state
    )

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Plots the learning curve, and samples if the model can be sampled."""
    made = runs_plots.learning_curve(workdir, plots.curve(self.unit))
    order = self.model.config.order
    if self.draw is not None and order is sequence_positions.Order.FORWARD:
      folder = runs_plots.folder(workdir)
      made += self.draw(samples.Sampler(self.model, variables, folder))
    return made


def positions_of(
  batch: tasks.Batch, config: autoregressive.AutoregressiveConfig
) -> Array:  # [B, M, P] integers
  """Returns the positions of inputs in their sequences.

  Rotary ones, of which differences matter only, count from the crop's start:
  large angles would be less precise.
  """
  steps = jnp.arange(batch["inputs"].shape[1])
  if config.rotary is None:
    steps += batch["first"][:, None]
  steps = jnp.broadcast_to(steps, batch["inputs"].shape)
  return sequence_positions.of_steps(config.positions, steps)


def labels_of_latents(
  batch: tasks.Batch, num_latents: int
) -> tuple[Array, Array]:  # [B, N] integers, [B, N] bool
  """Returns the targets of the latents, and whether they count."""
  lengths = autoregressive.lengths(batch["inputs"])  # [B]
  steps = autoregressive.latent_steps(lengths, num_latents)  # [B, N]
  rows = jnp.maximum(steps, 0)
  labels = jnp.take_along_axis(batch["targets"], rows, axis=1)
  first = jnp.maximum(lengths - batch["counted"], 0)[:, None]
  return labels, (steps >= first) & (labels != sequence_positions.PADDING)


def cross_entropy(
  logits: Array,  # [B, N, V]
  labels: Array,  # [B, N] integers
  z_loss: float,
) -> tuple[Array, Array]:  # [B, N] each
  """Returns the cross-entropy in nats, and `z_loss` · log² Z."""
  log_z = jax.nn.logsumexp(logits.astype(jnp.float32), axis=-1)
  own = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
  return log_z - own, z_loss * jnp.square(log_z)
