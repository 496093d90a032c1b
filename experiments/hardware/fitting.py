"""The fastest way to compute a recipe's batch on some hardware."""

from collections.abc import Callable, Iterator
import dataclasses
import math
import pathlib

from experiments.hardware import accelerators
from experiments.hardware import preflight
from experiments.training import trainer
from perceiver import rematerialisation

MAX_CANDIDATES = 6
_MOST_SHARES = 8  # devices that share one copy of the parameters


def fit(
  experiment: trainer.Experiment,
  accelerator: accelerators.Accelerator,
  name: str,
  cache: pathlib.Path | None = None,
  check: Callable[..., preflight.Page] = preflight.check,
) -> preflight.Page:
  """Returns the page of the fastest of at most six candidates that fits.

  They differ in accumulation, rematerialisation and division of the parameters.
  The batch stays the recipe's. Where the compiler counts no cycles, the
  candidate with the fewest parts is taken for the fastest, and among equals the
  one that is closest to the recipe. If none fits, it is the page with the least
  memory.

  Args:
    experiment: the recipe.
    accelerator: the hardware.
    name: of the recipe.
    cache: as in `preflight.check`, whose errors are raised.
    check: compiles a candidate.
  """
  pages = [check(experiment, accelerator, name, cache)]
  for candidate in _candidates(experiment, accelerator, pages[0]):
    pages.append(check(candidate, accelerator, name, cache))
    if len(pages) == MAX_CANDIDATES:
      break
  fitting = [page for page in pages if page.fits()]
  if not fitting:
    return min(pages, key=lambda page: page.training.memory or math.inf)
  return min(
    fitting, key=lambda p: (p.milliseconds() or 0.0, p.accumulate, p.fsdp)
  )


def options(page: preflight.Page, experiment: trainer.Experiment) -> str:
  """Returns the options by which a page differs from the recipe."""
  config, found = experiment.train, []
  if page.accumulate != config.accumulate:
    found.append(f"--train.accumulate {page.accumulate}")
  if page.fsdp != config.parallel.fsdp:
    found.append(f"--train.parallel.fsdp {page.fsdp}")
  if page.remat != preflight.remat(experiment.model):
    found += preflight.remat_options(experiment, page.remat)
  return " ".join(found)


def _candidates(
  experiment: trainer.Experiment,
  accelerator: accelerators.Accelerator,
  first: preflight.Page,
) -> Iterator[trainer.Experiment]:
  if first.fits():
    # Computing less of it again may be faster, where that can be told.
    if first.milliseconds() is not None and first.remat:
      for value in rematerialisation.Remat:
        if value.value != first.remat:
          yield changed(experiment, remat=value)
    return
  config, found = experiment.train, first.training
  spare = accelerator.memory - found.arguments
  needed = 2 if found.reason or spare <= 0 else found.temporaries / spare
  per_device = config.batch_size // accelerator.num_devices
  parts = [
    number
    for number in (2**i for i in range(1, per_device.bit_length()))
    if per_device % (config.accumulate * number) == 0
  ]
  enough = [n for n in parts if n >= needed] or parts[-1:]
  shares = math.gcd(accelerator.num_devices, _MOST_SHARES)
  roomy = spare > accelerator.memory / 2
  for fsdp in sorted({1, shares}) if roomy else (shares,):
    for number in enough[:3]:
      yield changed(experiment, config.accumulate * number, fsdp)


def changed(
  experiment: trainer.Experiment,
  accumulate: int | None = None,
  fsdp: int | None = None,
  remat: rematerialisation.Remat = rematerialisation.Remat.ALL,
) -> trainer.Experiment:
  """Returns a recipe that computes its batch in another way.

  Args:
    experiment: the recipe.
    accumulate: parts of the batch; the recipe's if None.
    fsdp: devices that share the parameters; the recipe's if None.
    remat: what is computed again for the gradient.
  """
  config = experiment.train
  parallel = config.parallel
  train = dataclasses.replace(
    config,
    accumulate=accumulate or config.accumulate,
    parallel=dataclasses.replace(parallel, fsdp=fsdp or parallel.fsdp),
  )
  model = preflight.with_remat(experiment.model, remat)
  return dataclasses.replace(experiment, train=train, model=model)  # type: ignore[type-var]
