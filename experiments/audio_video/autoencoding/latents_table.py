"""Compares runs with different numbers of latents, as table 4 of 2107.14795.

  python -m experiments.audio_video.autoencoding.latents_table RUN RUN ... \\
      [--output FOLDER]
"""

import dataclasses
import pathlib
import sys
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
import tyro

from experiments.audio_video.autoencoding import configs
from experiments.data import files
from experiments.runs import log as runs_log
from perceiver import config_json


class Row(NamedTuple):
  """What a run reached."""

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
  """Which runs are compared.

  Attributes:
    runs: folders of runs, finished or not.
    output: a folder for latents.png; none is drawn if None.
  """

  runs: tyro.conf.Positional[tuple[pathlib.Path, ...]]
  output: pathlib.Path | None = None


def read(run: pathlib.Path) -> Row:
  """Returns the last evaluation of a run.

  Raises:
    files.InputError: if the folder has none, or is of another experiment.
  """
  config, log = run / "config.json", run / runs_log.METRICS
  if not config.exists() or not log.exists():
    raise files.InputError(f"{run} is not the folder of a run.")
  try:
    experiment = config_json.from_json(config.read_text(), configs.Experiment)
  except (KeyError, TypeError, ValueError) as error:
    raise files.InputError(
      f"{config} is not of video_autoencoding: {error}"
    ) from error
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
  lines = ["latents  ratio  audio PSNR  video PSNR  top-1   step"]
  for row in sorted(rows, reverse=True):
    lines.append(
      f"{row.num_latents:7d}  {row.ratio:5.2f}  {row.audio_psnr:10.2f}  "
      f"{row.video_psnr:10.2f}  {row.top_1:5.3f}  {row.step:5d}"
    )
  lines.append(
    f"{'mean':>7}         {rows[0].mean_audio_psnr:10.2f}  "
    f"{rows[0].mean_video_psnr:10.2f}"
  )
  return "\n".join(lines)


def draw(rows: list[Row], path: pathlib.Path) -> None:
  """Draws both ratios over the number of latents, beside the mean's."""
  rows = sorted(rows)
  latents = [row.num_latents for row in rows]
  figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2))
  for axis, name in zip(axes, ("audio_psnr", "video_psnr")):
    axis.plot(latents, [getattr(row, name) for row in rows], marker=".")
    axis.axhline(getattr(rows[0], f"mean_{name}"), linestyle=":")
    axis.set_xscale("log", base=2)
    axis.set(xlabel="latents", title=f"{name}, dB (dotted: mean of the clip)")
  figure.tight_layout()
  with files.writing(path) as temporary:
    figure.savefig(temporary, dpi=120)
  pyplot.close(figure)


def main(arguments: list[str] | None = None) -> int:
  """Runs from the command line; returns the exit code."""
  config = tyro.cli(TableConfig, args=arguments, description=__doc__)
  try:
    if not config.runs:
      raise files.InputError("Name at least one run.")
    rows = [read(run) for run in config.runs]
    print(table(rows))
    if config.output is not None:
      draw(rows, config.output / "latents.png")
  except files.InputError as error:
    print(f"error: {error}", file=sys.stderr)
    return 1
  return 0


if __name__ == "__main__":
  sys.exit(main())
