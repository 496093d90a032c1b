"""Plots of runs: the learning curve, and how every plot is saved."""

from collections.abc import Sequence
import pathlib
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")  # There may be no display.

from matplotlib import pyplot as pyplot
from PIL import Image

from experiments.data import files
from experiments.runs import log as runs_log

ATTENTION_TITLE = "attention of some latents in the first cross-attend"
_DPI = 120


class Panel(NamedTuple):
  """One metric of a learning curve."""

  metric: str
  title: str = ""  # the metric's name if empty
  reference: str = ""  # another metric of the evaluation, to compare with
  reference_label: str = ""
  from_zero: bool = False  # whether the axis begins there


def folder(workdir: pathlib.Path) -> pathlib.Path:
  """Returns the folder of a run's plots, made if it does not exist."""
  path = workdir / "figures"
  path.mkdir(parents=True, exist_ok=True)
  return path


def learning_curve(
  workdir: pathlib.Path, panels: Sequence[Panel]
) -> list[pathlib.Path]:
  """Plots metrics of training and evaluation over the steps.

  Args:
    workdir: the run's folder.
    panels: the metrics, side by side.

  Returns:
    The file, curve.png; none if the folder has no log.
  """
  log = workdir / runs_log.METRICS
  if not log.exists():
    return []
  rows = runs_log.read_rows(log)
  figure, axes = pyplot.subplots(
    1, len(panels), figsize=(4.2 * len(panels), 3.2), squeeze=False
  )
  for axis, panel in zip(axes[0], panels):
    _line(axis, rows, "train", panel.metric)
    _line(axis, rows, "eval", panel.metric, marker=".")
    if panel.reference:
      label = panel.reference_label
      _line(axis, rows, "eval", panel.reference, label, marker=".", style=":")
    axis.set(xlabel="step", title=panel.title or panel.metric)
    if panel.from_zero:
      axis.set_ylim(0, None)
    axis.legend(fontsize=8)
  return [save(figure, folder(workdir) / "curve.png")]


def _line(
  axis: Any,
  rows: Sequence[dict[str, Any]],
  kind: str,
  metric: str,
  label: str = "",
  marker: str = "",
  style: str = "-",
) -> None:
  points = [
    (row["step"], row[metric])
    for row in rows
    if row["kind"] == kind and metric in row
  ]
  if points:
    axis.plot(*zip(*points), style, label=label or kind, marker=marker)


def save(figure: Any, path: pathlib.Path) -> pathlib.Path:
  """Writes a figure to a file, whole or not at all, and closes it.

  Its layout is made tight unless it has a layout engine.

  Raises:
    files.InputError: if the file cannot be written.
  """
  if figure.get_layout_engine() is None:
    figure.tight_layout()
  with files.writing(path) as temporary:
    figure.savefig(temporary, dpi=_DPI)
  pyplot.close(figure)
  return path


def save_animation(
  frames: Sequence[Image.Image], path: pathlib.Path, milliseconds: int
) -> pathlib.Path:
  """Writes an animation that repeats for ever, whole or not at all.

  Args:
    frames: of one size.
    path: of the file, GIF.
    milliseconds: between frames.

  Raises:
    files.InputError: if the file cannot be written.
  """
  with files.writing(path) as temporary:
    frames[0].save(
      temporary,
      save_all=True,
      append_images=frames[1:],
      duration=milliseconds,
      loop=0,
    )
  return path
