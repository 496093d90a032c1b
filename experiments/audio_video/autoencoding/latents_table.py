"""Compares runs with different numbers of latents, as table 4 of 2107.14795.

python -m experiments.evaluate latents-table RUN RUN ... [--output FOLDER]
"""

import dataclasses
import pathlib
from typing import NamedTuple

import tabulate
import tyro

from experiments.audio_video.autoencoding import configs
from experiments.data import files
from experiments.runs import configs as runs_configs
from experiments.runs import log as runs_log
from experiments.runs import plots


class Row(NamedTuple):
  """The metrics of a run."""

  num_latents: int
  ratio: float  # numbers in a clip for each number in its latents
  step: int
  audio_psnr: float  # dB
  video_psnr: float  # dB
  mean_audio_psnr: float  # dB, of the clips' own means
  mean_video_psnr: float
  top_1: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableConfig:
  """Compares runs with different numbers of latents, as table 4 of 2107.14795.

  Attributes:
    runs: folders of runs of video_autoencoding, finished or not.
    output: a folder for latents.png; nothing is plotted if None.
  """

  runs: tyro.conf.Positional[tuple[pathlib.Path, ...]]
  output: pathlib.Path | None = None


def read(run: pathlib.Path) -> Row:
  """Returns the last evaluation of a run.

  Raises:
    files.InputError: if the folder has none, or is of another experiment.
  """
  experiment = runs_configs.read(run, configs.Experiment)
  log = run / runs_log.METRICS
  if not log.exists():
    raise files.InputError(f"{run} is not the folder of a run.")
  evaluations = [r for r in runs_log.read_rows(log) if r["kind"] == "eval"]
  if not evaluations:
    raise files.InputError(f"{run} has not been evaluated yet.")
  last, encoder = evaluations[-1], experiment.model.perceiver.encoder
  numbers = sum(
    output.num_points * output.channels
    for output in experiment.model.outputs.outputs
    if output.name != "label"
  )
  return Row(
    num_latents=encoder.num_latents,
    ratio=numbers / (encoder.num_latents * encoder.latent_channels),
    **{name: last[name] for name in Row._fields[2:]},
  )


def table(rows: list[Row]) -> str:
  """Returns runs as lines, the most latents first."""
  body = [
    (x.num_latents, x.ratio, x.audio_psnr, x.video_psnr, x.top_1, x.step)
    for x in sorted(rows, reverse=True)
  ]
  means = (rows[0].mean_audio_psnr, rows[0].mean_video_psnr)
  return tabulate.tabulate(
    [*body, ("mean", None, *means)],
    ("latents", "ratio", "audio PSNR", "video PSNR", "top-1", "step"),
    tablefmt="plain",
    floatfmt=("", ".2f", ".2f", ".2f", ".3f", ""),
    colalign=["right"] * 6,
  )


def plot(rows: list[Row], path: pathlib.Path) -> None:
  """Plots both ratios over the number of latents, beside the mean's."""
  rows = sorted(rows)
  latents = [row.num_latents for row in rows]
  figure, axes = plots.pyplot().subplots(1, 2, figsize=(9, 3.2))
  for axis, name in zip(axes, ("audio_psnr", "video_psnr")):
    axis.plot(latents, [getattr(row, name) for row in rows], marker=".")
    axis.axhline(getattr(rows[0], f"mean_{name}"), linestyle=":")
    axis.set_xscale("log", base=2)
    axis.set(xlabel="latents", title=f"{name}, dB (dotted: mean of the clip)")
  plots.save(figure, path)


def run(config: TableConfig) -> None:
  """Runs the command `evaluate latents-table`.

  Raises:
    files.InputError: see `read`.
  """
  if not config.runs:
    raise files.InputError("Name at least one run.")
  rows = [read(folder) for folder in config.runs]
  print(table(rows))
  if config.output is not None:
    plot(rows, config.output / "latents.png")
