"""Evaluation of frames of any size, beside methods that do not learn."""

from collections.abc import Callable, Mapping
import dataclasses
import pathlib
import sys
from typing import Any

import jax
import numpy as np

from experiments.data import files
from experiments.data import loader
from experiments.optical_flow import examples
from experiments.optical_flow import flow_metrics
from experiments.optical_flow import tiling
from experiments.optical_flow.benchmarks import baselines
from experiments.optical_flow.benchmarks import datasets
from experiments.optical_flow.benchmarks import robustness
from experiments.optical_flow.benchmarks import submissions
from experiments.runs import result_table
from experiments.training import evaluation
import perceiver

_MODEL = "model"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
  """Evaluation of whole frames, and further outputs.

  Attributes:
    baselines: also evaluate zero flow, DIS and Farnebäck, the latter two of
      which need OpenCV.
    robustness: also evaluate the change of the flow under noise in the frames,
      in a second pass with four times the tiles of the first.
    submission_dir: a folder for flow in the benchmark's own form.
    skip_unreadable: go on after a file that cannot be read, and count it;
      otherwise stop there.
    min_overlap: pixels that neighbouring tiles share at least.
    even_tiles: space tiles evenly, as the paper does; otherwise as the
      released colab does.
  """

  baselines: bool = False
  robustness: bool = False
  submission_dir: pathlib.Path | None = None
  skip_unreadable: bool = False
  min_overlap: int = tiling.MIN_OVERLAP
  even_tiles: bool = True


def flow_function(
  model: perceiver.Model, variables: Any, config: EvaluationConfig
) -> Callable[..., np.ndarray]:
  """Returns a function from frames of any size to their flow.

  It takes frames [2, H, W, 3] uint8, and may be given `on_progress`, called
  with the numbers of tiles that are done and of all. It raises
  `files.InputError` if the flow is not finite.
  """
  # One device, once and for all: every tile is a small computation.
  variables = jax.device_put(jax.device_get(variables))

  def find(
    frames: np.ndarray,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
  ) -> np.ndarray:
    flow = tiling.tiled(
      lambda tile: np.asarray(model.apply(variables, tile[None]))[0],
      frames.astype(np.float32) / 255 * 2 - 1,
      model.config.frames.size,
      config.min_overlap,
      even=config.even_tiles,
      on_progress=on_progress,
    )
    if not np.all(np.isfinite(flow)):
      raise files.InputError(
        "The model's flow is not finite; is the checkpoint in order?"
      )
    return flow

  return find


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluator:
  """Evaluates a model example by example.

  Attributes:
    model: finds the flow of tiles.
    split: the examples.
    dataset: where they come from.
    config: how they are evaluated.
  """

  model: perceiver.Model
  split: loader.Split
  dataset: datasets.Dataset
  config: EvaluationConfig

  def __call__(
    self, variables: Any, watch: evaluation.Watch = evaluation.UNWATCHED
  ) -> evaluation.Evaluation:
    """Returns the metrics of `flow_metrics.FlowMetrics.results`.

    Args:
      variables: of the model.
      watch: follows it example by example, and then that of robustness.

    Raises:
      evaluation.Abandoned: if the watch stops it.
      files.InputError: if an example cannot be read and none is to be skipped,
        the flow is not finite, or a baseline is not there.
    """
    total = len(self.split.source)
    methods = {_MODEL: flow_function(self.model, variables, self.config)}
    if self.config.baselines:
      methods |= baselines.BASELINES
    found = {name: flow_metrics.FlowMetrics() for name in methods}
    readable = []
    for index in watch(range(total), total):
      example = self._read(index)
      if example is not None:
        readable.append(index)
        self._evaluate(example, methods, found)
    details: list[result_table.ResultTable | str] = []
    if self.config.baselines:
      details.append(table({name: m.results() for name, m in found.items()}))
    if self.config.robustness:
      again = watch(map(self.split.source.__getitem__, readable), len(readable))
      details.append(robustness.evaluate(methods[_MODEL], again).table())
    return evaluation.Evaluation(
      metrics=found[_MODEL].results(),
      examples=found[_MODEL].num_examples,
      expected=total,
      split=self.split.name,
      skipped=total - len(readable),
      details=tuple(details),
    )

  def _read(self, index: int) -> examples.FlowExample | None:
    """Returns an example, None if it is to be skipped."""
    try:
      return self.split.source[index]
    except files.InputError as error:
      if not self.config.skip_unreadable:
        raise
      print(f"skipped: {error}", file=sys.stderr, flush=True)
      return None

  def _evaluate(
    self,
    example: examples.FlowExample,
    methods: Mapping[str, examples.FlowFunction],
    found: Mapping[str, flow_metrics.FlowMetrics],
  ) -> None:
    for name, method in methods.items():
      flow = method(example.frames)
      found[name].add(flow, example)
      if name == _MODEL and self.config.submission_dir is not None:
        submissions.write(
          self.config.submission_dir, self.dataset, example.name, flow
        )


def table(
  results: Mapping[str, Mapping[str, float]],
) -> result_table.ResultTable:
  """Returns metrics {method: {metric: value}} as a table, methods in columns.

  Metrics that a method does not have, for lack of pixels, are dashes.
  """
  metrics = list(dict.fromkeys(m for row in results.values() for m in row))
  number = lambda row, metric: f"{row[metric]:.4f}" if metric in row else "–"
  rows = tuple(
    (metric, *(number(row, metric) for row in results.values()))
    for metric in metrics
  )
  header = ("metric", *results)
  return result_table.ResultTable(
    "the model beside other methods", header, rows
  )
