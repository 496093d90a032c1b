"""Optical flow between images, with a model of optical flow."""

import dataclasses
import itertools
import pathlib
from typing import Annotated

import numpy as np
from PIL import Image
import tyro

from experiments.cli import errors
from experiments.cli import predicting
from experiments.data import files
from experiments.optical_flow import colours
from experiments.optical_flow import evaluator
from experiments.optical_flow import tiling
from experiments.optical_flow.benchmarks import flow_files
from experiments.optical_flow.benchmarks import pairs
from experiments.runs import progress
from perceiver.models import optical_flow


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flow:
  """Finds where every pixel of an image is in the next one.

  Images may have any size: larger ones than the model's are cut into tiles
  that overlap, smaller ones continued by their last pixels. For every image
  but the last, NAME.flo, NAME_kitti.png (16 bits) and NAME_colours.png are
  written.

  Attributes:
    images: two images, more frames in their order, or a folder of them.
    output: the folder for the results; made if it is not there.
    min_overlap: pixels that neighbouring tiles share at least.
    even_tiles: space tiles evenly, as the paper does; otherwise as the
      released colab does.
    colour_max: speed in pixels of the fullest colour; that of the fastest
      pixel of each picture if None. Give it to compare pictures.
  """

  images: tyro.conf.Positional[tuple[pathlib.Path, ...]] = ()
  weights: Annotated[predicting.Weights, tyro.conf.arg(name="")] = (
    predicting.Weights()
  )
  output: pathlib.Path = pathlib.Path("flow")
  min_overlap: int = tiling.MIN_OVERLAP
  even_tiles: bool = False
  colour_max: float | None = None


def run(options: Flow) -> None:
  """Runs the command.

  Raises:
    errors.UsageError: if the command makes no sense.
    files.InputError: if a file cannot be used.
    FileNotFoundError: if a file is not there.
  """
  if options.colour_max is not None and not options.colour_max > 0:
    raise errors.UsageError("--colour-max must be more than 0 pixels")
  if not options.images:
    raise errors.UsageError("name at least one image, or a folder of images")
  paths = files.list_images(options.images)
  if len(paths) < 2:
    raise errors.UsageError("flow needs at least two images")
  names = [path.stem for path in paths[:-1]]
  if len(set(names)) < len(names):
    raise errors.UsageError(
      "two images have the same name, after which results are named; rename "
      "one of them"
    )
  if options.output.exists() and not options.output.is_dir():
    raise errors.UsageError(f"--output {options.output} is not a folder")
  model, variables = predicting.load(
    options.weights, optical_flow.OpticalFlowConfig, "optical_flow"
  )
  tile = model.config.frames.size
  if not 0 <= options.min_overlap < min(tile):
    raise errors.UsageError(
      f"--min-overlap {options.min_overlap} does not fit tiles of {tile[0]} × "
      f"{tile[1]} pixels; expected at least 0 and less than {min(tile)}"
    )
  config = evaluator.EvaluationConfig(
    min_overlap=options.min_overlap, even_tiles=options.even_tiles
  )
  find = evaluator.flow_function(model, variables, config)
  for name, frames in zip(names, itertools.pairwise(paths)):
    pair = pairs.read(pairs.Pair(name=name, frames=frames))
    flow = find(pair.frames, progress.counter(f"{name}: tiles"))
    write(options.output, name, flow, options.colour_max)


def write(
  folder: pathlib.Path, name: str, flow: np.ndarray, fastest: float | None
) -> None:
  """Writes a flow [H, W, 2] in three formats, and says what was written.

  Raises:
    files.InputError: if it cannot be written.
  """
  flow_files.write_flo(folder / f"{name}.flo", flow)
  too_fast = flow_files.write_kitti(folder / f"{name}_kitti.png", flow)
  if too_fast:
    predicting.say(
      f"{name}: {too_fast} pixels move 512 pixels or more, which KITTI's "
      "format cannot hold; they are unknown there"
    )
  picture = Image.fromarray(colours.colour(flow, fastest))
  with files.writing(folder / f"{name}_colours.png") as temporary:
    picture.save(temporary)
  speed = np.hypot(flow[..., 0], flow[..., 1])
  print(
    f"{name}: {speed.mean():.2f} pixels on average, {speed.max():.2f} at most; "
    f"{folder / name}.flo, _kitti.png, _colours.png",
    flush=True,
  )
