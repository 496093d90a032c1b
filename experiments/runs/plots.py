"""Plots of runs: the learning curve, and how every plot is saved."""

from collections.abc import Sequence
import functools
import os
import pathlib
from typing import Any, NamedTuple
import wave

import numpy as np
from PIL import Image
from PIL import PngImagePlugin

from experiments.data import files
from experiments.runs import log as runs_log
from experiments.runs import metric_meanings

ATTENTION_TITLE = "attention of some latents in the first cross-attend"
ATTENTION_CAPTION = (
  "Attention to the inputs of the first cross-attend, averaged over its heads: "
  "one map for a latent, dark where it is none and brightest where it is most"
)
_ATTENTION_COLOURS = "magma"
_DPI = 120
# The same in every panel, whichever lines it has.
_COLOURS = {"train": "tab:blue", "eval": "tab:orange"}
_OTHER = "tab:green"
_MANY = 4  # panels that are too small to be read in one row
_CURVE = (
  "Metrics over the steps of training: means over the last steps (train), and "
  "on the evaluation split (eval)"
)
_CAPTION = "Description"  # of PNG's own vocabulary


class Panel(NamedTuple):
  """One metric of a learning curve."""

  metric: str
  title: str = ""  # the metric's name if empty; a unit follows
  reference: str = ""  # another metric of the evaluation, to compare with
  reference_label: str = ""
  from_zero: bool = False  # whether the axis begins there


@functools.cache
def pyplot() -> Any:
  """Returns Matplotlib's pyplot, imported only where something is plotted."""
  import matplotlib

  # There may be no display. Notebooks have chosen their own.
  if "MPLBACKEND" not in os.environ:
    matplotlib.use("Agg")
  from matplotlib import pyplot as module

  return module


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
    panels: the metrics, side by side, many in two rows; those that the log
      lacks are left out.

  Returns:
    The file, curve.png; none if the folder's log has none of the metrics.
  """
  log = workdir / runs_log.METRICS
  rows = runs_log.read_rows(log) if log.exists() else []
  logged = {metric for row in rows for metric in row}
  panels = [panel for panel in panels if panel.metric in logged]
  if not panels:
    return []
  rows_of_panels = 1 if len(panels) < _MANY else 2
  columns = -(-len(panels) // rows_of_panels)
  figure, axes = pyplot().subplots(
    rows_of_panels,
    columns,
    figsize=(4.2 * columns, 3.2 * rows_of_panels),
    squeeze=False,
  )
  for axis in axes.flat[len(panels) :]:
    axis.axis("off")
  for axis, panel in zip(axes.flat, panels):
    _line(axis, rows, "train", panel.metric)
    _line(axis, rows, "eval", panel.metric, marker=".")
    if panel.reference:
      label = panel.reference_label
      _line(axis, rows, "eval", panel.reference, label, marker=".", style=":")
    unit = metric_meanings.of(panel.metric).unit
    title = ", ".join(filter(None, [panel.title or panel.metric, unit]))
    axis.set(xlabel="step", title=title)
    axis.xaxis.get_major_locator().set_params(integer=True)
    if panel.from_zero:
      axis.set_ylim(0, None)
    axis.legend(fontsize=8)
  return [save(figure, folder(workdir) / "curve.png", _CURVE)]


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
    label = label or kind
    colour = _COLOURS.get(label, _OTHER)
    marker = marker or "." * (len(points) == 1)  # One point is no line.
    axis.plot(*zip(*points), style, label=label, marker=marker, color=colour)


def save(figure: Any, path: pathlib.Path, caption: str = "") -> pathlib.Path:
  """Writes a figure to a file, whole or not at all, and closes it.

  Its layout is made tight unless it has a layout engine.

  Args:
    figure: of Matplotlib.
    path: of the file, PNG.
    caption: a sentence or two that explain the figure, kept in the file for
      `caption_of`.

  Raises:
    files.InputError: if the file cannot be written.
  """
  if figure.get_layout_engine() is None:
    figure.tight_layout()
  with files.writing(path) as temporary:
    figure.savefig(temporary, dpi=_DPI, metadata={_CAPTION: caption})
  pyplot().close(figure)
  return path


def save_image(
  image: Image.Image, path: pathlib.Path, caption: str = ""
) -> pathlib.Path:
  """Writes an image as PNG, with a caption as `save` does.

  Raises:
    files.InputError: if the file cannot be written.
  """
  described = PngImagePlugin.PngInfo()
  described.add_itxt(_CAPTION, caption)
  with files.writing(path) as temporary:
    image.save(temporary, format="PNG", pnginfo=described)
  return path


def attention_map(
  axis: Any, attention: np.ndarray, most: float | None = None, **options: Any
) -> None:
  """Plots a map [H, W] that is not negative, as shares of its greatest value.

  `most` is used in its place if given; `options` are those of Matplotlib's
  `imshow`. A map of zeros, of a masked modality, stays one.
  """
  most = attention.max() if most is None else most
  shares = attention / most if most else attention
  axis.imshow(shares, cmap=_ATTENTION_COLOURS, vmin=0, vmax=1, **options)


def attention_scale(
  figure: Any,
  axes: Any,
  location: str = "right",
  colours: str = _ATTENTION_COLOURS,
  of: str = "map",
) -> None:
  """Adds the scale of attention maps, and makes the layout constrained.

  Args:
    figure: of Matplotlib.
    axes: the maps, beside or below which the scale is to stand.
    location: "right" or "bottom".
    colours: Matplotlib's name of the colours from 0 to 1.
    of: of what the greatest value is 1.
  """
  from matplotlib import cm
  from matplotlib import colors as matplotlib_colors

  figure.set_layout_engine("constrained")
  bar = figure.colorbar(
    cm.ScalarMappable(matplotlib_colors.Normalize(0, 1), colours),
    ax=axes,
    location=location,
    aspect=50,
    fraction=0.03,
  )
  bar.set_label(f"attention, share of the {of}'s most", fontsize=7)
  bar.ax.tick_params(labelsize=6)


def caption_of(path: pathlib.Path) -> str:
  """Returns the caption of a picture, audio or video, or its name in words.

  That of a text is its first line.
  """
  if path.suffix == ".txt":
    return path.read_text("utf-8").partition("\n")[0]
  kind = {".mp4": "Video of ", ".wav": "Audio of "}.get(path.suffix, "")
  words = kind + path.stem.replace("_", " ")
  try:
    with Image.open(path, formats=("PNG", "GIF")) as picture:
      found = picture.info.get(_CAPTION) or picture.info.get("comment")
  except (OSError, SyntaxError, ValueError):
    return words
  return found.decode() if isinstance(found, bytes) else found or words


def width_of(path: pathlib.Path) -> int:
  """Returns the width of a picture in pixels, 0 of what is none."""
  try:
    with Image.open(path, formats=("PNG", "GIF")) as picture:
      return picture.width
  except (OSError, SyntaxError, ValueError):
    return 0


def save_audio(
  path: pathlib.Path, rate: int, samples: np.ndarray
) -> pathlib.Path:
  """Writes audio [S] or [S, channels] in [-1, 1] as 16-bit WAV.

  Raises:
    files.InputError: if the file cannot be written.
  """
  with (
    files.writing(path) as temporary,
    wave.open(str(temporary), "wb") as file,
  ):
    file.setnchannels(samples[0].size)
    file.setsampwidth(2)  # bytes
    file.setframerate(rate)
    file.writeframes(np.rint(32767 * samples).astype("<i2").tobytes())
  return path


def save_animation(
  frames: Sequence[Image.Image],
  path: pathlib.Path,
  milliseconds: int,
  caption: str = "",
) -> pathlib.Path:
  """Writes an animation that repeats for ever, whole or not at all.

  Args:
    frames: of one size.
    path: of the file, GIF.
    milliseconds: between frames.
    caption: as in `save`.

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
      comment=caption.encode(),
    )
  return path
