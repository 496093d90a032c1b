"""Measures frames per second of optical flow at the size that the paper states.

  python -m scripts.benchmarking.flow_rate
  python -m scripts.benchmarking.flow_rate --size 380 500 --repeats 1

2107.14795 section 4.2 gives 0.8 frames per second at 1088×436 on a Titan Xp.
Variables are random: the time does not depend on them.
"""

import itertools
import statistics
import sys
import time

import jax
import numpy as np
import tyro

from experiments.optical_flow import tiling
import perceiver
from perceiver import model as perceiver_model
from scripts.benchmarking import cases
from scripts.benchmarking import job


def main(
  *,
  size: tuple[int, int] = (436, 1088),
  precision: perceiver_model.Precision = perceiver_model.Precision.BFLOAT16,
  tiles: int = 6,
  repeats: int = 10,
) -> int:
  """Prints frames per second; returns the exit status.

  Args:
    size: height and width of the frames in pixels.
    precision: precision of the activations.
    tiles: largest number of tiles that the model takes at a time.
    repeats: runs after the first one.
  """
  model: perceiver.Model = cases.CASES["optical_flow"].model(None, precision)
  variables = jax.device_put(job.random_variables(model))
  height, width = model.config.frames.size
  apply = jax.jit(model.apply)
  corners = list(
    itertools.product(
      tiling.starts(size[0], height), tiling.starts(size[1], width)
    )
  )
  whole = [max(x, y) for x, y in zip(size, (height, width))]
  generator = np.random.default_rng(0)
  frames = generator.uniform(-1, 1, (2, *whole, 3)).astype(np.float32)
  cut = np.stack([frames[:, y : y + height, x : x + width] for y, x in corners])
  seconds = []
  for _ in range(repeats + 1):
    started = time.perf_counter()
    for first in range(0, len(cut), tiles):
      flow = apply(variables, cut[first : first + tiles])
    jax.block_until_ready(flow)
    seconds.append(time.perf_counter() - started)
  median = statistics.median(seconds[1:])
  print(
    f"{jax.devices()[0].device_kind}, {precision.value}: {len(cut)} × "
    f"{width}×{height} for {size[1]}×{size[0]} pixels, {1 / median:.2f} frames "
    f"per second (median of {repeats}; "
    f"{1 / max(seconds[1:]):.2f}–{1 / min(seconds[1:]):.2f})"
  )
  return 0


if __name__ == "__main__":
  sys.exit(
    tyro.cli(
      main,
      description=__doc__,
      config=(tyro.conf.EnumChoicesFromValues,),
    )
  )
