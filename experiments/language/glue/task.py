"""Classification of texts, for one task or several: losses and plots."""

import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp

from experiments.data import loader
from experiments.language.glue import data as glue_data
from experiments.language.glue import evaluator
from experiments.language.glue import glue_tasks
from experiments.language.glue import plots
from experiments.language.glue import texts
from experiments.runs import plots as runs_plots
from experiments.training import tasks
import perceiver

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Glue(tasks.HasSplits):
  """A model of one task or more, and its training and development sets.

  Every example is of one task; only that task's output counts.

  Attributes:
    model: ids [B, M] -> {task: logits [B, classes] or degree [B, 1]}.
    data: the examples.
    eval_batch_size: examples at a time in evaluation.
  """

  model: perceiver.Model
  data: glue_data.DataConfig
  eval_batch_size: int

  @property
  def names(self) -> tuple[str, ...]:
    """The model's tasks, in the order of their numbers."""
    return tuple(task.name for task in self.model.config.tasks)

  @functools.cached_property
  def encoder(self) -> texts.Encoder:
    """The encoder of texts into the model's ids."""
    config = self.model.config
    return glue_data.encoder(
      self.data, config.max_length, config.text.vocab_size
    )

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Returns the training examples, and the development sets in a row."""
    return glue_data.splits(self.data, self.names, self.encoder)

  def make_evaluator(self) -> evaluator.Evaluator:
    """Returns the evaluator: metrics are those of whole sets."""
    return evaluator.Evaluator(
      model=self.model,
      names=self.names,
      split=self.eval_split(),
      batch_size=self.eval_batch_size,
    )

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of a training example."""
    length = (self.model.config.max_length,)
    return tasks.shapes(
      ids=(length, jnp.int32),
      input_mask=(length, jnp.bool),
      label=((), jnp.float32),
      task=((), jnp.int32),
      eval_split=((), jnp.int32),
    )

  def losses(
    self,
    variables: perceiver.Variables,
    batch: tasks.Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> tasks.Losses:
    """Computes each example's loss, of its own task alone.

    That is the cross-entropy in nats of classes, and the squared error of
    degrees, in units of 2.5, half their range. "right" is 1 where the likeliest
    class is the right one, or the degree wrong by less than a half.
    """
    outputs, state = self.model.apply_and_update(
      variables,
      batch["ids"],
      input_mask=batch["input_mask"],
      rng=rng,
      is_training=is_training,
    )  # {task: [B, outputs]}
    answers = evaluator.answers(self.names, outputs, batch)
    wrong = jnp.abs(answers.predictions - batch["label"])  # [B]
    right = {"right": (wrong < 0.5).astype(jnp.float32)}
    return tasks.Losses(answers.loss, right, state)

  def logits_and_labels(
    self, variables: perceiver.Variables, batch: tasks.Batch
  ) -> tuple[Array, Array]:
    """Returns the logits and labels of a batch; unknown labels are negative.

    Raises:
      ValueError: unless there is a single task, one with classes.
    """
    name, *others = self.names
    if others or not glue_tasks.ALL[name].classes:
      raise ValueError(
        f"the model answers {', '.join(self.names)}; expected a single task "
        "with classes, whose probabilities can be calibrated"
      )
    mask = batch["input_mask"]
    outputs = self.model.apply(variables, batch["ids"], input_mask=mask)
    return outputs[name], batch["label"].astype(jnp.int32)

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Plots the learning curve, and where latents look in some texts.

    Returns:
      The files: curve.png if there is a log, and attention.png if the model
      has latents.
    """
    made = runs_plots.learning_curve(workdir, plots.CURVE)
    if hasattr(self.model.config, "trunk"):
      path = runs_plots.folder(workdir) / "attention.png"
      split = self.eval_split()
      made.append(plots.attention(self.model, variables, split, path))
    return made
