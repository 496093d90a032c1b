"""What a model of sequences takes from the inputs before its latents.

  python -m experiments.evaluate context-use RUN ... --context-sizes 512 1024

The same held-out windows, whose inputs fill the context, are evaluated three
times: as they are, with the inputs before those of the latents in random order,
and without these. A model to which their order makes no difference uses how
often elements occur there, and not which follows which. With
`--context-sizes` they are also evaluated with so many inputs alone, the last
ones, which tells how far back a model looks. Elements that a convolution gives
to the inputs that are there stay where they are.
"""

from collections.abc import Callable
import dataclasses
import math
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tabulate
import tyro

from experiments.data import files
from experiments.data import loader
from experiments.generation import recipes
from experiments.generation import task as generation_task
from experiments.generation.pixels import configs as pixels_configs
from experiments.generation.text import configs as text_configs
from experiments.generation.tunes import configs as tunes_configs
from experiments.runs import configs as runs_configs
from experiments.runs import folder as run_folder
from experiments.runs import provenance
import perceiver
from perceiver import bounds

_BATCH = 8
_KINDS: dict[str, type[recipes.Experiment]] = {
  module.__name__: module.Experiment
  for module in (pixels_configs, text_configs, tunes_configs)
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContextUseConfig:
  """Evaluates runs with and without the order of their distant inputs.

  Attributes:
    runs: folders of finished runs of pixels, text or tunes.
    windows: held-out windows to evaluate, from all over those whose inputs
      fill the context.
    context_sizes: numbers of inputs, at least as many as a run has latents.
      Each is a column: bits with these last inputs alone.
  """

  runs: tyro.conf.Positional[tuple[pathlib.Path, ...]]
  windows: int = 256
  context_sizes: tuple[int, ...] = ()

  def __post_init__(self) -> None:
    bounds.check(self, "windows")


def run(config: ContextUseConfig) -> None:
  """Prints the table.

  Raises:
    files.InputError: if a run or its data cannot be used.
  """
  if not config.runs:
    raise files.InputError("Name at least one run.")
  rows = []
  for path in config.runs:
    experiment = _read(path)
    sizes = (experiment.model.context, experiment.model.num_latents)
    smaller = tuple(x for x in config.context_sizes if x < sizes[0])
    found = evaluate(path, experiment, config.windows, smaller)
    whole, bits = found[:3], dict(zip(smaller, found[3:]))
    rows.append(
      (path.name, *sizes, *whole, *map(bits.get, config.context_sizes))
    )
  headers = (
    "run",
    "context",
    "latents",
    "in order",
    "random order",
    "left out",
    *(f"last {x:,}" for x in config.context_sizes),
  )
  print("bits per element by the inputs before those of the latents")
  table = tabulate.tabulate(
    rows, headers, tablefmt="pipe", floatfmt=".3f", missingval="–"
  )
  print(table)


def _read(path: pathlib.Path) -> recipes.Experiment:
  """Returns the configuration of a run.

  Raises:
    files.InputError: if it is of none of these experiments, or not finished.
  """
  if not (path / run_folder.MODEL).exists():
    raise files.InputError(
      f"{path} is not the folder of a finished run: it has no "
      f"{run_folder.MODEL}."
    )
  starts = provenance.read(path)
  module = starts[-1].get("experiment") if starts else None
  if module not in _KINDS:
    raise files.InputError(
      f"{path} is a run of {module}; expected pixels, text or tunes."
    )
  return runs_configs.read(path, _KINDS[module])


def evaluate(
  run_path: pathlib.Path,
  experiment: recipes.Experiment,
  most: int,
  context_sizes: tuple[int, ...] = (),
) -> np.ndarray:  # [3 + context sizes]
  """Returns bits with distant inputs in order, in random order and left out.

  Args:
    run_path: folder of the run.
    experiment: of the run.
    most: windows.
    context_sizes: numbers of inputs, from that of the latents to that of the
      context. For each, bits with the last inputs alone follow.

  Raises:
    files.InputError: if no held-out window fills the context, or a size of
      `context_sizes` is below the number of latents.
  """
  if any(x < experiment.model.num_latents for x in context_sizes):
    raise files.InputError(
      f"{run_path}: a context size of {min(context_sizes)} leaves out inputs "
      f"of its {experiment.model.num_latents} latents; expected at least as "
      "many."
    )
  model, variables = perceiver.load(run_path)
  distant = model.config.context - model.config.num_latents
  num_mixed = max(distant - (model.config.convolution_width - 1), 0)
  _, held_out = experiment.splits()
  full = _full(held_out)
  if not full or not distant:
    raise files.InputError(
      f"{run_path}: no window of {held_out.name} has {model.config.context} "
      f"inputs, more than the {model.config.num_latents} latents' own."
    )
  rows = np.linspace(0, len(full) - 1, min(most, len(full))).astype(int)
  windows = dataclasses.replace(held_out, source=[full[row] for row in rows])
  generator = np.random.default_rng(0)

  bits = _bits(model, variables)
  counts = (model.config.num_latents, *context_sizes)
  back = np.arange(model.config.context, 0, -1)  # the last input is 1
  totals = []
  for batch in loader.eval_batches(windows, batch_size=_BATCH):
    every = np.ones(batch["inputs"].shape, bool)
    mixed = batch["inputs"].copy()
    mixed[:, :num_mixed] = generator.permuted(mixed[:, :num_mixed], axis=1)
    totals.append(
      [
        bits(batch, every),
        bits(batch | {"inputs": mixed}, every),
        *(bits(batch, every & (back <= x)) for x in counts),
      ]
    )
  sums = np.sum(totals, axis=0)  # [3 + context sizes, 2]
  return sums[:, 0] / sums[:, 1]


def _bits(
  model: perceiver.Model, variables: perceiver.Variables
) -> Callable[[dict[str, Any], jax.typing.ArrayLike], jax.Array]:
  """Returns a function from a batch and which inputs are given, [B, M] bool.

  It returns the bits of all elements that count, and their number.
  """

  @jax.jit
  def bits(batch: dict[str, Any], kept: jax.typing.ArrayLike) -> jax.Array:
    positions = generation_task.positions_of(batch, model.config)
    logits = model.apply(
      variables, batch["inputs"], positions=positions, kept_inputs=kept
    )
    labels, counted = generation_task.labels_of_latents(
      batch, model.config.num_latents
    )
    nats, _ = generation_task.cross_entropy(logits, labels, 0.0)
    counted &= batch["weight"][:, None] > 0
    return jnp.stack([jnp.sum(nats * counted) / math.log(2), counted.sum()])

  return bits


def _full(split: loader.Split) -> list[Any]:
  """Returns the raw examples whose inputs fill the context."""
  generator = np.random.default_rng(0)  # which evaluations do not use
  every = [split.source[number] for number in range(len(split.source))]
  full = lambda raw: split.transform(raw, generator)["inputs"].all()
  return [raw for raw in every if full(raw)]
