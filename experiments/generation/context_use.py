"""What a model of sequences takes from the inputs before its latents.

  python -m experiments.evaluate context-use RUN RUN ...

The same held-out windows, whose inputs fill the context, are evaluated three
times: as they are, with the inputs before those of the latents in random order,
and without these. A model to which their order makes no difference uses how
often elements occur there, and not which follows which. Elements that a
convolution gives to the latents' own inputs stay where they are.
"""

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
  """

  runs: tyro.conf.Positional[tuple[pathlib.Path, ...]]
  windows: int = 256

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
    found = evaluate(path, experiment, config.windows)
    sizes = (experiment.model.context, experiment.model.num_latents)
    rows.append((path.name, *sizes, *found))
  headers = (
    "run",
    "context",
    "latents",
    "in order",
    "random order",
    "left out",
  )
  print("bits per element by the inputs before those of the latents")
  print(tabulate.tabulate(rows, headers, tablefmt="pipe", floatfmt=".3f"))


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
  run_path: pathlib.Path, experiment: recipes.Experiment, most: int
) -> np.ndarray:  # [3]
  """Returns bits with distant inputs in order, in random order and left out.

  Args:
    run_path: folder of the run.
    experiment: of the run.
    most: windows.

  Raises:
    files.InputError: if no held-out window fills the context.
  """
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

  @jax.jit
  def bits(batch: dict[str, Any], kept: jax.Array) -> jax.Array:
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

  totals = []
  for batch in loader.eval_batches(windows, batch_size=_BATCH):
    every = np.ones(batch["inputs"].shape, bool)
    own = every & (np.arange(model.config.context) >= distant)
    mixed = batch["inputs"].copy()
    mixed[:, :num_mixed] = generator.permuted(mixed[:, :num_mixed], axis=1)
    totals.append(
      [
        bits(batch, every),
        bits(batch | {"inputs": mixed}, every),
        bits(batch, own),
      ]
    )
  sums = np.sum(totals, axis=0)  # [3, 2]
  return sums[:, 0] / sums[:, 1]


def _full(split: loader.Split) -> list[Any]:
  """Returns the raw examples whose inputs fill the context."""
  generator = np.random.default_rng(0)  # which evaluations do not use
  every = [split.source[number] for number in range(len(split.source))]
  full = lambda raw: split.transform(raw, generator)["inputs"].all()
  return [raw for raw in every if full(raw)]
