"""Scores of whole clips, and how well they rank: mean average precision."""

from collections.abc import Callable, Mapping
import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np
import optax

from experiments.audio_video.audioset import average_precision
from experiments.audio_video.audioset import data
from experiments.data import loader
from experiments.runs import result_table
from experiments.training import evaluation
from experiments.training import sharding
import perceiver

Array = jax.Array

_MAX_LISTED = 20  # classes in the table of a report


class Predictions(NamedTuple):
  """Outputs of a model for clips."""

  labels: np.ndarray  # [clips, classes], 0 or 1
  scores: np.ndarray  # [clips, classes] in [0, 1], means over a clip's segments
  loss: np.ndarray  # [clips], nats
  silent: np.ndarray  # [clips] bool, without audio, or whose audio is not used


def to_model(
  batch: Mapping[str, Any],
) -> tuple[dict[str, Array], dict[str, Array]]:
  """Returns inputs and what of them is present, as the models take them.

  Args:
    batch: frames [B, T, H, W, 3] uint8 under "video", samples [B, S, 1] or
      spectrograms [B, times, bands] under "audio", and whether they are there,
      [B] bool, under "has_video" and "has_audio".

  Returns:
    Arrays by modality, pixels in [-1, 1], and flags [B] by modality.
  """
  names = [n for n in (data.AUDIO, data.VIDEO) if n in batch]
  inputs = {name: batch[name] for name in names}
  if data.VIDEO in inputs:
    pixels = inputs[data.VIDEO].astype(jnp.float32)
    inputs[data.VIDEO] = pixels / 255 * 2 - 1
  return inputs, {name: batch[f"has_{name}"] for name in names}


def cross_entropy(
  logits: Array,  # [B, classes]
  labels: Array,  # [B, classes], 0 or 1
) -> Array:  # [B]
  """Returns sigmoid cross-entropies in nats, means over the classes."""
  nats = optax.sigmoid_binary_cross_entropy(logits, labels)
  return jnp.mean(nats, axis=-1)


def predict(
  model: perceiver.Model, variables: Any, loop: evaluation.Loop
) -> Predictions:
  """Scores every clip of a split once.

  Args:
    model: gives logits.
    variables: its parameters and state.
    loop: over examples of `examples.EvalTransform`. One segment of each clip is
      looked at at a time; every process gets the scores of all clips.

  Raises:
    evaluation.Abandoned: if the loop is to stop.
  """
  compute = functools.partial(_compiled(model, loop.mesh), variables)
  return Predictions(**loop.collect(compute))


def score(
  model: perceiver.Model, variables: Any, example: Mapping[str, np.ndarray]
) -> np.ndarray:  # [classes] in [0, 1]
  """Scores one example of `examples.EvalTransform`."""
  batch = {name: array[None] for name, array in example.items()}
  batch["weight"] = np.ones(1, np.float32)
  return np.asarray(_compiled(model, None)(variables, batch)["scores"])[0]


@functools.lru_cache(maxsize=8)
def _compiled(
  model: perceiver.Model, mesh: Mesh | None
) -> Callable[[Any, Mapping[str, Any]], dict[str, Array]]:
  """Returns a function of variables and batch, the same for every call."""
  everywhere = sharding.replicated(mesh) if mesh else None
  return jax.jit(functools.partial(_answer, model), out_shardings=everywhere)


def _answer(
  model: perceiver.Model, variables: Any, batch: Mapping[str, Array]
) -> dict[str, Array]:
  """Scores a batch, one segment of every clip after the other.

  Returns:
    What `Predictions` has, and the weight of every clip.
  """
  segments = {
    name: batch[name] for name in (data.AUDIO, data.VIDEO) if name in batch
  }  # [B, segments, ...]

  def of_segment(number: Array) -> tuple[Array, Array]:
    take = lambda x: jax.lax.dynamic_index_in_dim(x, number, 1, keepdims=False)
    inputs, present = to_model({**batch, **jax.tree.map(take, segments)})
    logits = model.apply(variables, inputs, mask=present)  # [B, classes]
    return jax.nn.sigmoid(logits), cross_entropy(logits, batch["labels"])

  count = next(iter(segments.values())).shape[1]
  # [segments, B, ...]
  scores, loss = jax.lax.map(of_segment, jnp.arange(count))
  silent = jnp.zeros(len(batch["weight"]), bool)
  if data.AUDIO in batch:
    silent = ~batch[f"has_{data.AUDIO}"]
  return {
    "labels": batch["labels"],
    "scores": jnp.mean(scores, axis=0),
    "loss": jnp.mean(loss, axis=0),
    "silent": silent,
    "weight": batch["weight"],
  }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluator:
  """Evaluates a model by its ranking of all clips of a split.

  Attributes:
    model: gives logits.
    split: clips in segments.
    class_names: names of the classes.
    batch_size: clips at a time, over all devices.
    devices: which devices share the clips. With several processes, each reads
      its share and all get all scores.
    notes: what else is to be said of the clips.
  """

  model: perceiver.Model
  split: loader.Split
  class_names: tuple[str, ...]
  batch_size: int
  devices: sharding.ParallelConfig
  notes: str = ""

  def __call__(
    self, variables: Any, watch: evaluation.Watch = evaluation.UNWATCHED
  ) -> evaluation.Evaluation:
    """Returns "map", and "loss" in nats, a mean over clips and classes.

    "chance_map" is what a ranking without any knowledge reaches, "classes" the
    number of classes that are in some clip, over which both are averaged,
    "hit" the share of clips whose likeliest class is theirs, and "silent" the
    number of clips without audio, or whose audio is not used.

    Args:
      variables: of the model.
      watch: follows it batch by batch.

    Raises:
      evaluation.Abandoned: if the watch stops it.
      files.InputError: if a clip does not fit the model.
    """
    loop = evaluation.Loop(
      split=self.split,
      batch_size=self.batch_size,
      mesh=sharding.make_mesh(self.devices),
      watch=watch,
    )
    found = predict(self.model, variables, loop)
    precision = average_precision.of(found.labels, found.scores)
    return evaluation.Evaluation(
      metrics={
        "map": precision.mean,
        "chance_map": precision.chance,
        "loss": float(np.mean(found.loss, dtype=np.float64)),
        "hit": average_precision.hit(found.labels, found.scores),
        "classes": float(precision.evaluated.sum()),
        "silent": float(found.silent.sum()),
      },
      examples=len(found.loss),
      expected=len(self.split.source),
      split=self.split.name,
      details=(
        table(precision, self.class_names),
        *filter(None, [self.notes]),
      ),
    )


def table(
  precision: average_precision.AveragePrecisions, names: tuple[str, ...]
) -> result_table.ResultTable:
  """Returns the precision of classes, the best first.

  Of many classes, those in the middle are left out.
  """
  order = ranked(precision)
  rows = [
    (
      names[number],
      f"{precision.by_class[number]:.4f}",
      f"{precision.prevalence[number]:.4f}",
    )
    for number in shown(order, _MAX_LISTED)
  ]
  caption = "average precision of the classes, the best first"
  if len(order) > _MAX_LISTED:
    rows.insert(_MAX_LISTED // 2, ("…", "…", "…"))
    caption = f"average precision of the best and worst of {len(order)} classes"
  if missing := len(names) - len(order):
    caption += f"; {missing} are in no clip and not evaluated"
  header = ("class", "average precision", "by chance")
  return result_table.ResultTable(caption, header, tuple(rows))


def ranked(precision: average_precision.AveragePrecisions) -> np.ndarray:
  """Returns the numbers of the classes that are evaluated, the best first."""
  numbers = np.flatnonzero(precision.evaluated)
  return numbers[np.argsort(-precision.by_class[numbers], kind="stable")]


def shown(order: np.ndarray, most: int) -> np.ndarray:
  """Returns all of a ranking, or its two ends if it has more than `most`."""
  if len(order) <= most:
    return order
  return np.concatenate([order[: most // 2], order[-(most // 2) :]])
