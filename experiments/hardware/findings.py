"""Ways to compute recipes that were found for hardware by its compiler.

`findings.json` has them by hardware and recipe, as `scripts/what_fits.py` wrote
them. Accumulation, rematerialisation and division of the parameters change
where and when a batch is computed, and not what is learned.
"""

import json
import pathlib
from typing import Any

import jax

from experiments.data import files
from experiments.hardware import accelerators
from experiments.hardware import fitting
from experiments.training import trainer
from perceiver import rematerialisation

PATH = pathlib.Path(__file__).with_name("findings.json")
Findings = dict[str, dict[str, dict[str, Any]]]


def read(path: pathlib.Path = PATH) -> Findings:
  """Returns {hardware: {"EXPERIMENT RECIPE": what was found}}."""
  return json.loads(files.read_bytes(path)) if path.exists() else {}


def apply(
  experiment: trainer.Experiment,
  recipe: str,
  hardware: str | None,
  found: Findings,
) -> trainer.Experiment:
  """Returns a recipe with what was found for some hardware.

  Args:
    experiment: the recipe.
    recipe: its name, EXPERIMENT RECIPE.
    hardware: name of the hardware; None for any other.
    found: by hardware and recipe.
  """
  known = found.get(hardware or "", {}).get(recipe)
  if not known or not known["fits"] or not known["options"]:
    return experiment
  remat = rematerialisation.Remat(known["remat"] or rematerialisation.Remat.ALL)
  return fitting.changed(experiment, known["accumulate"], known["fsdp"], remat)


def here() -> str | None:
  """Returns the name of this machine's devices; None if it has none."""
  devices = jax.devices()
  return accelerators.name_of(devices[0].device_kind, len(devices))
