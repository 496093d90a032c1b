"""Masked language modelling: loss, metrics and plots."""

from collections.abc import Mapping
import dataclasses
import math
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.data import loader
from experiments.language.masked_language import data as language_data
from experiments.language.masked_language import plots
from experiments.language.text import sentencepiece
from experiments.runs import plots as runs_plots
from experiments.training import losses as training_losses
from experiments.training import tasks
import perceiver
from perceiver import bounds

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
  """The loss of masked and of visible tokens.

  Attributes:
    decode_masked_only: whether only masked positions are decoded. The loss is
      the same, the work is less.
    visible: weight of the cross-entropy of tokens that are not masked, which
      training then decodes as well; 0 in the paper. To reproduce its inputs, a
      model has to learn their positions; small models without this loss take
      thousands of steps to do so.
  """

  decode_masked_only: bool = True
  visible: float = 0.0

  def __post_init__(self) -> None:
    bounds.check_ranges(self, visible="[0, inf)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedLanguage(tasks.HasSplits):
  """A masked language model, and its training and held-out texts.

  Attributes:
    model: ids [B, M] -> logits [B, M, V].
    data: the corpus and its masking.
    loss: the loss of masked and of visible tokens.
  """

  model: perceiver.Model
  data: language_data.DataConfig
  loss: LossConfig = LossConfig()

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Returns the training and the held-out texts.

    Raises:
      files.InputError: if the texts are missing, or the tokenizer is not the
        model's.
    """
    vocab_size = self.model.config.text.vocab_size
    return language_data.splits(self.data, self._length, vocab_size)

  @property
  def _length(self) -> int:
    """Tokens of an example."""
    (ids,) = self.model.config.example()  # [1, M]
    return int(ids.shape[1])

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of a training example."""
    length = self._length
    masked = (language_data.max_masked(self.data, length),)
    names = ("positions", "targets", "words", "num_bytes")
    return tasks.shapes(
      ids=((length,), jnp.int32),
      input_mask=((length,), jnp.bool),
      **dict.fromkeys(names, (masked, jnp.int32)),
    )

  def losses(
    self,
    variables: perceiver.Variables,
    batch: tasks.Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> tasks.Losses:
    """Computes the cross-entropy of masked tokens in nats, and metrics.

    All are means over an example's masked tokens, bytes or words, so that every
    example counts the same, however much of it is masked. In training, that of
    visible tokens may be added to the loss.
    """
    positions = batch["positions"]  # [B, P]
    with_visible = is_training and self.loss.visible > 0
    masked_only = self.loss.decode_masked_only and not with_visible
    logits, state = self.model.apply_and_update(
      variables,
      batch["ids"],
      rng=rng,
      is_training=is_training,
      input_mask=batch["input_mask"],
      positions=positions if masked_only else None,
    )  # [B, P or M, V]
    visible = visible_nats(logits, batch) if with_visible else 0.0
    if not masked_only:
      logits = jnp.take_along_axis(logits, positions[..., None], axis=1)
    nats = cross_entropy(logits, batch["targets"])  # [B, P]
    right = jnp.argmax(logits, axis=-1) == batch["targets"]  # [B, P]
    found = masked_metrics(nats, right, batch)
    loss = found.pop("nats") + self.loss.visible * visible
    return tasks.Losses(loss, found, state, logits)

  def distance(self, outputs: Array, wanted: Array, batch: Any) -> Array:
    """Returns the mean divergence of masked tokens' logits from a teacher's."""
    nats = training_losses.divergence(outputs, wanted)  # [B, P]
    return masked_metrics(nats, nats == 0, batch)["nats"]

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Plots learning curve, filled texts, and where the latents look.

    Returns:
      The files: curve.png if there is a log, filled.png, and attention.png if
      the model has latents.
    """
    folder = runs_plots.folder(workdir)
    texts = loader.stacked(self.eval_split(), 4)
    tokenizer = sentencepiece.tokenizer(self.data.sentencepiece_model)
    found = self.model, variables, texts, tokenizer
    made = runs_plots.learning_curve(workdir, plots.CURVE)
    made.append(plots.filled(*found, folder / "filled.png"))
    if hasattr(self.model.config, "perceiver"):
      made.append(plots.attention(*found, folder / "attention.png"))
    return made


def cross_entropy(
  logits: Array,  # [B, P, V]
  targets: Array,  # [B, P] integers
) -> Array:  # [B, P]
  """Returns the cross-entropy in nats of every token."""
  return optax.losses.softmax_cross_entropy_with_integer_labels(
    logits.astype(jnp.float32), targets
  )


def visible_nats(
  logits: Array,  # [B, M, V]
  batch: Mapping[str, Any],
) -> Array:  # [B]
  """Returns the mean cross-entropy of tokens that are not masked.

  Args:
    logits: of all positions.
    batch: has "ids", "input_mask", "positions" and "words".
  """
  ids = batch["ids"]  # [B, M]
  rows = jnp.arange(len(ids))[:, None]
  masked = jnp.zeros(ids.shape, bool)
  masked = masked.at[rows, batch["positions"]].max(batch["words"] >= 0)
  visible = batch["input_mask"] & ~masked
  total = jnp.sum(jnp.where(visible, cross_entropy(logits, ids), 0), axis=-1)
  return total / jnp.maximum(jnp.sum(visible, axis=-1), 1)


def masked_metrics(
  nats: Array,  # [B, P]
  right: Array,  # [B, P] bool
  batch: Mapping[str, Any],
) -> dict[str, Array]:  # of [B]
  """Returns the metrics of predictions of masked tokens.

  Args:
    nats: cross-entropy of every masked token.
    right: whether the likeliest token is the one that was masked.
    batch: has "words" and "num_bytes".

  Returns:
    "nats" per masked token, "bits_per_byte" of masked text, "accuracy" of
    masked tokens, and "word_accuracy", the share of the masked words all of
    whose tokens are right. All are 0 for a text without masks.
  """
  words = jnp.asarray(batch["words"])  # [B, P]
  masked = words >= 0
  count = jnp.maximum(jnp.sum(masked, axis=-1), 1)
  total = jnp.sum(jnp.where(masked, nats, 0), axis=-1)  # [B]
  size = jnp.maximum(jnp.sum(batch["num_bytes"], axis=-1), 1)
  wrong_tokens = _per_word(masked & ~right, words)  # [B, P]
  exists = _per_word(masked, words) > 0  # [B, P]
  right_words = jnp.sum(exists & (wrong_tokens == 0), axis=-1)
  return {
    "nats": total / count,
    "bits_per_byte": total / math.log(2) / size,
    "accuracy": jnp.sum(masked & right, axis=-1) / count,
    "word_accuracy": right_words / jnp.maximum(jnp.sum(exists, axis=-1), 1),
  }


def _per_word(flags: Array, words: Array) -> Array:  # [B, P] -> [B, P]
  """Counts flags by word; no flag may be set where there is no word."""
  rows = jnp.arange(len(words))[:, None]
  counts = jnp.zeros(words.shape, jnp.int32)  # never more words than tokens
  return counts.at[rows, jnp.maximum(words, 0)].add(flags.astype(jnp.int32))
