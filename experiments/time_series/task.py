"""Classes of series, and values between theirs: losses, metrics and plots."""

from collections.abc import Callable
import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp

from experiments.data import loader
from experiments.runs import confusions
from experiments.runs import plots as runs_plots
from experiments.time_series import data as series_data
from experiments.time_series import plots
from experiments.training import losses as training_losses
from experiments.training import tasks
import perceiver
from perceiver.models import time_series


@dataclasses.dataclass(frozen=True, kw_only=True)
class _SeriesTask(tasks.HasSplits):
  """A model of series, and its series.

  Attributes:
    model: of series.
    data: the series.
  """

  model: perceiver.Model
  data: series_data.DataConfig

  @property
  def with_queries(self) -> bool:
    """True if values that were left out are asked for."""
    return isinstance(self.model.config, time_series.SeriesRegressorConfig)

  def splits(self) -> tuple[loader.Split, loader.Split]:
    """Opens both splits."""
    config = self.model.config
    return series_data.splits(
      self.data,
      size=config.num_inputs,
      channels=config.value_channels,
      with_queries=self.with_queries,
    )

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of a training example."""
    config = self.model.config
    size = config.num_inputs
    values = (size, config.value_channels), jnp.float32
    times, mask = ((size,), jnp.float32), ((size,), jnp.bool_)
    found = {"values": values, "times": times, "mask": mask}
    found |= {"labels": ((), jnp.int32)}
    if self.with_queries:
      found |= {"queries": times, "targets": values, "query_mask": mask}
    return tasks.shapes(**found)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesClassification(_SeriesTask, training_losses.HasLogits):
  """A classifier of series.

  Attributes:
    class_names: gives the names of the classes.
  """

  class_names: Callable[[], tuple[str, ...]]

  def losses(
    self,
    variables: perceiver.Variables,
    batch: tasks.Batch,
    *,
    rng: jax.Array | None,
    is_training: bool,
  ) -> tasks.Losses:
    """Computes cross-entropy in nats and whether the class was recognised."""
    logits, state = self.model.apply_and_update(
      variables,
      series_data.examples(batch),
      mask=batch["mask"],
      rng=rng,
      is_training=is_training,
    )  # [B, classes]
    return tasks.classified(logits, batch["labels"], state)

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Plots learning curve and confusions; returns the files."""
    made = runs_plots.learning_curve(workdir, plots.CURVE)
    predict = lambda batch: self.model.apply(
      variables, series_data.examples(batch), mask=batch["mask"]
    )
    names = self.class_names()
    counts = confusions.count(predict, self.eval_split(), len(names))
    path = runs_plots.folder(workdir) / "confusion.png"
    return [*made, confusions.plot(counts, names, path)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesInterpolation(_SeriesTask):
  """A model that gives the values that were left out, at their times."""

  def losses(
    self,
    variables: perceiver.Variables,
    batch: tasks.Batch,
    *,
    rng: jax.Array | None,
    is_training: bool,
  ) -> tasks.Losses:
    """Computes the mean squared error of values over the channels' variance.

    Of an example of which nothing was left out it is 0.
    """
    found, state = self.model.apply_and_update(
      variables,
      series_data.examples(batch),
      batch["queries"],
      mask=batch["mask"],
      rng=rng,
      is_training=is_training,
    )  # [B, P, C]
    _, stddev = self.model.config.scales()
    error = jnp.mean(
      jnp.square((found - batch["targets"]) / stddev), axis=-1
    )  # [B, P]
    is_asked = batch["query_mask"]
    count = jnp.maximum(jnp.sum(is_asked, axis=1), 1)
    loss = jnp.sum(jnp.where(is_asked, error, 0), axis=1) / count
    return tasks.Losses(loss, {}, state, found)

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Plots learning curve and interpolated series; returns the files."""
    made = runs_plots.learning_curve(workdir, plots.ERROR_CURVE)
    path = runs_plots.folder(workdir) / "series.png"
    predict = functools.partial(self.model.apply, variables)
    return [*made, plots.interpolated(predict, self.eval_split(), path)]
