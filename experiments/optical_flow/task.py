"""The task of optical flow: splits, loss, metrics and plots."""

import dataclasses
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.data import loader
from experiments.optical_flow import data as flow_data
from experiments.optical_flow import evaluator
from experiments.optical_flow import plots
from experiments.runs import plots as runs_plots
from experiments.training import tasks
import perceiver
from perceiver import bounds
from perceiver import mixtures

Array = jax.Array

# The released network was trained on a twentieth of the flow.
_UNIT = 20.0  # pixels
_NUM_PLOTTED = 6  # examples


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
  """The loss: the mean of (|error| / 20 + ε)^q.

  The published loss is not known. The default is a twentieth of the end-point
  error; ε 0.01 and q 0.4 are those of PWC-Net (1709.02371) for fine-tuning on
  data with outliers.

  Attributes:
    epsilon: ε, positive if q is less than 1.
    exponent: q, in (0, 1].
    output_points: number of pixels that are decoded and compared, sampled for
      every step, the same ones for the whole batch; all if None.
  """

  epsilon: float = 0.0
  exponent: float = 1.0
  output_points: int | None = None

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self, "output_points", exponent="(0, 1]", epsilon="[0, inf)"
    )
    if self.exponent < 1 and not self.epsilon:
      raise ValueError(
        f"LossConfig: epsilon is 0 and exponent {self.exponent}; expected a "
        "positive epsilon, or the gradient of a perfect estimate is infinite."
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class OpticalFlow:
  """Optical flow: a model, its data, loss and evaluation.

  Attributes:
    model: frames [B, 2, H, W, 3] in [-1, 1] -> flow [B, H, W, 2] in pixels.
    data: data sets and augmentation.
    loss: the loss of the training.
    evaluation: evaluation of data sets with frames of any size.
    total_examples: examples of the whole training, through all epochs.
  """

  model: perceiver.Model
  data: flow_data.DataConfig
  loss: LossConfig = LossConfig()
  evaluation: evaluator.EvaluationConfig = evaluator.EvaluationConfig()
  total_examples: int

  def train_split(self) -> loader.Split:
    """Returns the training split."""
    size = self.model.config.frames.size
    return flow_data.train_split(self.data, size, self.total_examples)

  def eval_split(self) -> loader.Split:
    """Returns the evaluation split."""
    return flow_data.eval_split(self.data, self.model.config.frames.size)

  def make_evaluator(self) -> evaluator.Evaluator | None:
    """Returns the evaluator of frames of any size; None for synthetic ones.

    Synthetic frames have the model's size and are evaluated in batches, except
    for baselines and robustness, which need whole frames.
    """
    if self.data.evaluate_on.is_synthetic and not (
      self.evaluation.baselines or self.evaluation.robustness
    ):
      return None
    return evaluator.Evaluator(
      model=self.model,
      split=self.eval_split(),
      dataset=self.data.evaluate_on.kind,
      config=self.evaluation,
    )

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of a training example."""
    size = self.model.config.frames.size
    return tasks.shapes(
      frames=((2, *size, 3), jnp.uint8),
      flow=((*size, 2), jnp.float32),
      valid=(size, jnp.bool),
    )

  def losses(
    self,
    variables: perceiver.Variables,
    batch: tasks.Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> tasks.Losses:
    """Computes loss and end-point errors, in pixels, of every pair.

    The loss of a mixture is the negative logarithm of its density, nats. All
    are means over the pair's valid pixels, or over the decoded ones among
    them; a pair without any has error 0. "zero_epe" is the error of the flow
    that is 0 everywhere, "over_1px" the share of the pixels with an error of
    more than one pixel.
    """
    frames = to_model(batch["frames"])  # [B, 2, H, W, 3]
    truth = batch["flow"].reshape(len(frames), -1, 2)  # [B, H·W, 2]
    valid = batch["valid"].reshape(len(frames), -1)  # [B, H·W]
    points = None
    if is_training and rng is not None and self.loss.output_points is not None:
      key, rng = jax.random.split(rng)
      points = sample_points(key, valid.shape[1], self.loss.output_points)
      truth, valid = truth[:, points], valid[:, points]  # [B, n, 2], [B, n]
    mixture = self.model.config.mixture
    outputs, state = self.model.apply_and_update(
      variables,
      frames,
      rng=rng,
      is_training=is_training,
      output_points=points,
      method="distribution" if mixture.num_components else "__call__",
    )  # [B, H, W, …] or [B, n, …]
    rows = lambda x, axes: x.reshape(*valid.shape, *x.shape[x.ndim - axes :])
    if mixture.num_components:
      found = mixtures.Mixture(*map(rows, outputs, (1, 2, 2)))
      flow = mixtures.expected(found)  # [B, n, 2]
      loss = mixtures.negative_log_likelihood(mixture, found, truth)
    else:
      flow = rows(outputs, 1)
      loss = self._robust(lengths(flow - truth))
    error = lengths(flow - truth)  # [B, n]
    metrics = {
      "epe": mean_over(error, valid),
      "over_1px": mean_over(error > 1, valid),
      "over_3px": mean_over(error > 3, valid),
      "zero_epe": mean_over(lengths(truth), valid),
    }
    return tasks.Losses(mean_over(loss, valid), metrics, state, flow)

  def distance(self, outputs: Array, wanted: Array, batch: Any) -> Array:
    """Returns the loss against a teacher's flow, at all decoded pixels."""
    del batch
    return jnp.mean(self._robust(lengths(outputs - wanted)), axis=-1)

  def _robust(self, error: Array) -> Array:
    return (error / _UNIT + self.loss.epsilon) ** self.loss.exponent

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Plots learning curve, samples with errors, where the latents look.

    Returns:
      The files: curve.png if there is a log, samples.png, attention.png and the
      animation samples.gif.
    """
    folder = runs_plots.folder(workdir)
    source = self.eval_split().source
    examples = [source[i] for i in range(min(_NUM_PLOTTED, len(source)))]
    find = evaluator.flow_function(self.model, variables, self.evaluation)
    flows = [find(example.frames) for example in examples]
    return [
      *runs_plots.learning_curve(workdir, plots.CURVE),
      plots.samples(examples, flows, folder / "samples.png"),
      plots.attention(
        self.model, variables, examples, folder / "attention.png"
      ),
      plots.animation(examples, flows, folder / "samples.gif"),
    ]


def to_model(
  frames: Array,  # [..., H, W, 3] uint8
) -> Array:  # [..., H, W, 3] float32
  """Returns frames in the units of the models, [-1, 1]."""
  return frames.astype(jnp.float32) / 255 * 2 - 1


def sample_points(
  key: Array, num_pixels: int, num_points: int
) -> Array:  # [num_points] integers
  """Samples different pixels, in rising order.

  Raises:
    ValueError: if the frame has fewer pixels.
  """
  if num_points > num_pixels:
    raise ValueError(
      f"LossConfig: output_points is {num_points}; expected at most the "
      f"{num_pixels} pixels of a frame."
    )
  return jnp.sort(jax.random.permutation(key, num_pixels)[:num_points])


def lengths(
  vectors: Array,  # [..., 2]
) -> Array:  # [...]
  """Returns lengths whose gradient is 0 where they are 0."""
  return optax.safe_norm(vectors, 0.0, axis=-1)


def mean_over(
  values: Array,  # [B, n]
  valid: Array,  # [B, n] bool
) -> Array:  # [B]
  """Returns means over valid values, 0 where none is valid."""
  total = jnp.sum(jnp.where(valid, values, 0), axis=-1, dtype=jnp.float32)
  return total / jnp.maximum(jnp.sum(valid, axis=-1), 1)
