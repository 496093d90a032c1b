"""Measures milliseconds per generated element of a Perceiver AR.

  python -m scripts.benchmarking.decoding_rate
  python -m scripts.benchmarking.decoding_rate --context 1024 --num-latents 256

Beside it stands the time of a pass without caches over the whole context, which
an element would take without them. Variables are random: the time does not
depend on them.
"""

import functools
import statistics
import sys
import time

import jax
import numpy as np
import tyro

import perceiver
from perceiver import position_encoding
from perceiver.autoregressive import sampling
from perceiver.models import perceiver_ar
from scripts.benchmarking import job

_NUM_PARTS = 4


def main(
  *,
  context: int = 4096,
  num_latents: int = 512,
  channels: int = 256,
  num_layers: int = 6,
  num_elements: int = 600,
  repeats: int = 3,
) -> int:
  """Prints milliseconds per element; returns the exit status.

  Args:
    context: inputs of the model; half of them are the prompt.
    num_latents: of the model.
    channels: of the model, 64 to a head.
    num_layers: self-attentions of the model.
    num_elements: elements to generate.
    repeats: runs after the first one; thrice as many without caches.
  """
  model = perceiver.create(
    perceiver_ar.perceiver_ar(
      context=context,
      num_latents=num_latents,
      num_layers=num_layers,
      channels=channels,
      num_heads=max(channels // 64, 1),
      positions=position_encoding.Rotary(max_wavelength=context),
      dropout_rate=0.0,
    )
  )
  variables = jax.device_put(job.random_variables(model))
  inputs = np.random.default_rng(0).integers(3, 259, (1, context))
  whole = _uncached(model, variables, inputs, 3 * repeats)
  prompt = inputs[0, : context // 2].tolist()
  cached: list[np.ndarray] = []
  for _ in range(repeats + 1):
    times: list[float] = []
    sampling.generate(
      model,
      variables,
      [prompt],
      num_elements,
      key=jax.random.key(0),
      on_elements=functools.partial(_note, times),
    )
    cached.append(np.diff(times))
  found = 1000 * np.median(cached[1:], axis=0)  # [elements - 1]
  parts = ", ".join(
    f"{part.mean():.1f}" for part in np.array_split(found, _NUM_PARTS)
  )
  print(
    f"{jax.devices()[0].device_kind}: {found.mean():.2f} ms per element with "
    f"caches ({parts} by quarters of {num_elements}, with refills), "
    f"{whole:.0f} ms without, {whole / found.mean():.0f} times as long"
  )
  return 0


def _uncached(
  model: perceiver.Model,
  variables: perceiver.Variables,
  inputs: np.ndarray,
  repeats: int,
) -> float:
  """Returns milliseconds of a pass over all inputs."""
  apply = jax.jit(lambda *arrays: model.apply(*arrays)[:, -1])
  seconds = []
  for _ in range(repeats + 1):
    started = time.perf_counter()
    jax.block_until_ready(apply(variables, inputs))
    seconds.append(time.perf_counter() - started)
  return 1000 * statistics.median(seconds[1:])


def _note(times: list[float], elements: np.ndarray) -> None:
  del elements
  times.append(time.perf_counter())


if __name__ == "__main__":
  sys.exit(tyro.cli(main, description=__doc__))
