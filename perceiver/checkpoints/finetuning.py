"""Fine-tuning: variables of a model from the checkpoint of a similar one."""

from collections.abc import Mapping
import math
import os
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from perceiver import model as perceiver_model
from perceiver import position_encoding
from perceiver.checkpoints import check
from perceiver.checkpoints import load
from perceiver.models import registry

Array = jax.Array


class Report(NamedTuple):
  """Differences between a checkpoint and the variables made of it.

  Names are "params:module:name" or "state:module:name", sorted.

  Attributes:
    left_out: arrays of the checkpoint that the model has no place for.
    reinitialised: arrays of the model that are reinitialised.
    interpolated: learned positions that were resized.
  """

  left_out: tuple[str, ...]
  reinitialised: tuple[str, ...]
  interpolated: tuple[str, ...]


def load_for_finetuning(
  name_or_config: str | Any,
  path: str | os.PathLike[str],
  *,
  source: str | Any | None = None,
  rng: Array | None = None,
) -> tuple[perceiver_model.Model, perceiver_model.Variables, Report]:
  """Reads the arrays that a model can use of a similar one's checkpoint.

  Everything up to the latents must be the same, but for learned positions,
  which are resized to another grid or length by linear interpolation
  (2107.14795 appendix A.2 fine-tunes at another resolution). Of what comes
  after the latents, modules whose shapes differ are reinitialised.

  Args:
    name_or_config: as for `create`; the model to be trained.
    path: as for `load`.
    source: name or configuration of the checkpoint's model; needed only for
      pickles that are not of the six released models.
    rng: key for arrays that are reinitialised.

  Returns:
    The model, its variables, and a report of the differences.

  Raises:
    FileNotFoundError: if there is nothing at the path.
    CheckpointError: if the checkpoint is damaged, or differs before the
      latents.
  """
  model = registry.create(name_or_config)
  old, variables = load.load(path, source)
  pretrained, report = usable_arrays(model, old, variables, path)
  if report.reinitialised:
    initial = model.init(jax.random.key(0) if rng is None else rng)
    flat = check.flatten(initial)
    pretrained |= {name: flat[name] for name in report.reinitialised}
  result = check.unflatten({n: np.asarray(x) for n, x in pretrained.items()})
  check.fits(model, result, source=str(path))
  return model, result, report


def usable_arrays(
  model: perceiver_model.Model,
  old: perceiver_model.Model,
  variables: perceiver_model.Variables,
  path: str | os.PathLike[str],
) -> tuple[dict[str, Any], Report]:
  """Returns the arrays that a model can use of a similar one's, by name.

  Args:
    model: the model to be trained.
    old: the model of the checkpoint.
    variables: its own.
    path: of the checkpoint, for messages.

  Raises:
    CheckpointError: if the models differ before the latents.
  """
  wanted = check.flatten(model.shapes())
  found = check.flatten(variables)
  pretrained, interpolated = _match(wanted, found, old.config, model.config)
  left_out = found.keys() - pretrained.keys()
  reinitialised = wanted.keys() - pretrained.keys()
  _check_trunk(wanted, found, left_out | reinitialised, path)
  names = (left_out, reinitialised, interpolated)
  return pretrained, Report(*(tuple(sorted(x)) for x in names))


def _match(
  wanted: Mapping[str, Any],
  found: Mapping[str, Any],
  old: Any,
  new: Any,
) -> tuple[dict[str, Any], set[str]]:
  """Returns the arrays that can be used, and which of them were resized."""
  pretrained, interpolated = {}, set()
  old_grids, new_grids = _grids(old), _grids(new)
  differing = {
    _module(name)
    for name, leaf in wanted.items()
    if name not in found or found[name].shape != leaf.shape
  }
  for name in wanted.keys() & found.keys():
    module = _module(name)
    before, after = old_grids.get(module), new_grids.get(module)
    if before and after and before != after:
      shape = (math.prod(after), found[name].shape[-1])
      if shape == wanted[name].shape and len(found[name]) == math.prod(before):
        table = jnp.asarray(found[name])
        pretrained[name] = position_encoding.interpolate(table, before, after)
        interpolated.add(name)
    elif module not in differing:
      pretrained[name] = found[name]
  return pretrained, interpolated


def _grids(config: Any) -> dict[str, tuple[int, ...]]:
  """Returns the grids of tables that may be resized, {module: grid}."""
  if not hasattr(config, "resizable_tables"):
    return {}
  tables = config.resizable_tables()
  return {f"params:{module}": grid for module, grid in tables.items()}


def _module(name: str) -> str:
  return name.rpartition(":")[0]


def _is_trunk(name: str) -> bool:
  """Returns whether an array is used on the way to the latents."""
  path = name.split(":")[1].split("/")[1:]
  if "perceiver" in path:
    return path[path.index("perceiver") + 1 :][:1] != ["decoder"]
  return any(part.endswith("_input") for part in path)


def _check_trunk(
  wanted: Mapping[str, Any],
  found: Mapping[str, Any],
  names: set[str],
  path: str | os.PathLike[str],
) -> None:
  """Raises if any of the arrays with these names is used for the latents."""
  trunk = sorted(filter(_is_trunk, names))
  check.compare(
    {name: wanted[name] for name in trunk if name in wanted},
    {name: found[name] for name in trunk if name in found},
    source=str(path),
  )
