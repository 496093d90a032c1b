"""The task of image classification: splits, loss, metrics and plots."""

from collections.abc import Callable
import dataclasses
import pathlib

import jax
import numpy as np
import optax

from experiments.data import loader
from experiments.image_classification import mixing as classification_mixing
from experiments.image_classification import plots
from experiments.runs import plots as runs_plots
from experiments.training import losses as training_losses
from experiments.training import tasks
import perceiver
from perceiver import bounds

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
  """The loss: cross-entropy with smoothed and mixed targets.

  Attributes:
    label_smoothing: share of each target that is uniform over all classes.
    mixing: MixUp and CutMix.
  """

  label_smoothing: float = 0.0
  mixing: classification_mixing.MixingConfig = (
    classification_mixing.MixingConfig(mixup_alpha=None, cutmix=False)
  )

  def __post_init__(self) -> None:
    bounds.check_ranges(self, label_smoothing="[0, 1)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageClassification(tasks.HasSplits, training_losses.HasLogits):
  """Image classification: a model, its splits and its loss.

  Attributes:
    model: images [B, H, W, C] -> logits [B, classes].
    splits: opens the training and the evaluation split, whose batches have
      "images" and "labels", [B] or, of several for each image, [B, labels]; in
      training perhaps also "partner_images" and "partner_labels", to be mixed
      with them.
    loss: the loss of the training.
    top_k: the k of the reported top-k accuracies.
    class_names: gives the classes' names for plots; numbers if None.
    max_labels: the most labels of an image.
  """

  model: perceiver.Model
  splits: Callable[[], tuple[loader.Split, loader.Split]]
  loss: LossConfig = LossConfig()
  top_k: tuple[int, ...] = (1, 5)
  class_names: Callable[[], tuple[str, ...]] | None = None
  max_labels: int = 1

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of a training example."""
    images = self.model.config.inputs.example(1).shape[1:]
    labels = (self.max_labels,) if self.max_labels > 1 else ()
    entries = {"images": (images, np.float32), "labels": (labels, np.int32)}
    if self.loss.mixing.in_pairs:
      entries |= {f"partner_{name}": entry for name, entry in entries.items()}
    return tasks.shapes(**entries)

  def losses(
    self,
    variables: perceiver.Variables,
    batch: tasks.Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> tasks.Losses:
    """Computes cross-entropy in nats and whether the label is among the top k.

    In training, images and targets are smoothed and mixed as configured; a
    label then counts by its share of the mixed image.
    """
    mixing_key = None
    if is_training and rng is not None:
      mixing_key, rng = jax.random.split(rng)
    images, targets, labels = classification_mixing.of_batch(
      mixing_key, batch, self.model.config.num_classes, self.loss.mixing
    )
    logits, state = self.model.apply_and_update(
      variables, images, rng=rng, is_training=is_training
    )  # [B, classes]
    correct = {
      f"top_{k}": classification_mixing.top_k_correct(
        logits, labels, targets, k
      )
      for k in self.top_k
    }
    if mixing_key is not None:
      targets = optax.losses.smooth_labels(targets, self.loss.label_smoothing)
    loss = training_losses.softmax_cross_entropy(logits, targets)
    return tasks.Losses(loss, correct, state, logits)

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Plots learning curve, mistakes and where the latents look.

    Returns:
      The files: curve.png if there is a log, mistakes.png, and attention.png if
      the model has latents.
    """
    folder = runs_plots.folder(workdir)
    found = self.model, variables, self.eval_split()
    names = tuple(map(str, range(self.model.config.num_classes)))
    if self.class_names is not None:
      names = self.class_names()
    made = runs_plots.learning_curve(workdir, plots.CURVE)
    made.append(plots.mistakes(*found, names, folder / "mistakes.png"))
    if hasattr(self.model.config, "perceiver"):
      made.append(plots.attention(*found, folder / "attention.png"))
    return made
