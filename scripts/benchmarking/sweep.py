"""Growth of time and memory with the number of inputs, or of outputs.

Encoder and decoder of the flow model, 2,048 latents of 512 channels and inputs
of 322, without the latent stack between them, whose cost does not depend on
their number.
"""

from collections.abc import Callable, Sequence
import dataclasses
import enum
import json
import pathlib
import timeit
from typing import Any

import haiku as hk
import jax
import tabulate

from experiments.runs import plots
from perceiver import network as perceiver_network
from perceiver.models import optical_flow

_COUNTS = tuple(2**i for i in range(15, 21))


class Side(enum.Enum):
  """The array that grows: inputs, or outputs."""

  INPUTS = "inputs"
  OUTPUTS = "outputs"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
  """The measurements of one size.

  Attributes:
    side: inputs or outputs.
    count: their number.
    seconds: time of the fastest run; other load of the machine only adds.
    temporary_bytes: memory besides arguments and results.
    argument_bytes: memory of inputs or queries, and of the parameters.
  """

  side: Side
  count: int
  seconds: float
  temporary_bytes: int
  argument_bytes: int


def run(
  side: Side, repeats: int, report: Callable[[str], None] = print
) -> list[Point]:
  """Measures numbers from 32,768 to 1,048,576, each twice the one before."""
  points = []
  for count in _COUNTS:
    points.append(measure(side, count, repeats))
    report(f"{count:,} {side.value}: {points[-1].seconds:.3g} s")
  return points


def measure(side: Side, count: int, repeats: int) -> Point:
  """Measures one number of inputs or of outputs."""
  config = _config()
  channels = config.encoder.input_channels
  long = jax.random.normal(jax.random.key(0), (1, count, channels))
  latents = jax.random.normal(
    jax.random.key(1),
    (1, config.encoder.num_latents, config.encoder.latent_channels),
  )
  transformed = hk.transform(lambda x, z: _compute(config, side, x, z))
  params = jax.jit(transformed.init)(jax.random.key(2), long[:, :8], latents)
  arguments = (params, None, long, latents)
  compiled = jax.jit(transformed.apply).lower(*arguments).compile()
  once = lambda: jax.block_until_ready(compiled(*arguments))
  seconds = timeit.repeat(once, number=1, repeat=1 + repeats)[1:]
  memory: Any = compiled.memory_analysis()
  return Point(
    side=side,
    count=count,
    seconds=min(seconds),
    temporary_bytes=memory.temp_size_in_bytes,
    argument_bytes=memory.argument_size_in_bytes,
  )


def _config() -> perceiver_network.PerceiverConfig:
  config = optical_flow.MAIN.perceiver
  return dataclasses.replace(
    config,
    processor=dataclasses.replace(
      config.processor, num_self_attends_per_block=0
    ),
  )


def _compute(
  config: perceiver_network.PerceiverConfig, side: Side, long: Any, latents: Any
) -> jax.Array:
  network = perceiver_network.Perceiver(config, name="perceiver")
  if side is Side.INPUTS:
    return network.encode((long,))
  return network.decode(latents, (long,))


def table(points: Sequence[Point]) -> str:
  """Returns the points as a Markdown table."""
  headers = [points[0].side.value, "seconds", "over half as many"]
  headers += ["temporaries MB", "arguments MB"]
  rows = [
    [
      f"{point.count:,}",
      f"{point.seconds:.3g}",
      f"{point.seconds / before.seconds:.2f}" if before else "",
      f"{point.temporary_bytes / 1e6:.0f}",
      f"{point.argument_bytes / 1e6:.0f}",
    ]
    for before, point in zip((None, *points), points)
  ]
  return tabulate.tabulate(
    rows, headers, tablefmt="pipe", disable_numparse=True
  )


def write(points: Sequence[Point], folder: pathlib.Path) -> None:
  """Writes points as JSON and as a plot."""
  folder.mkdir(parents=True, exist_ok=True)
  side = points[0].side.value
  rows = [dataclasses.asdict(p) | {"side": side} for p in points]
  (folder / f"sweep_{side}.json").write_text(json.dumps(rows, indent=2) + "\n")
  counts = [point.count / 1e6 for point in points]
  figure, (left, right) = plots.pyplot().subplots(1, 2, figsize=(9, 3.4))
  left.plot(counts, [point.seconds for point in points], marker="o")
  left.set(xlabel=f"million {side}", ylabel="seconds", ylim=(0, None))
  for name, label in (
    ("argument_bytes", f"{side} and parameters"),
    ("temporary_bytes", "everything else"),
  ):
    sizes = [getattr(point, name) / 1e9 for point in points]
    right.plot(counts, sizes, marker="o", label=label)
  right.set(xlabel=f"million {side}", ylabel="GB", ylim=(0, None))
  right.legend()
  plots.save(figure, folder / f"sweep_{side}.png")
