"""Fine-tuning: models that are initialised from a checkpoint."""

from collections.abc import Mapping
import dataclasses
import functools
import pathlib
import sys
from typing import Any

import jax

import perceiver
from perceiver.checkpoints import check

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class FineTuned(perceiver.Model):
  """A model that is initialised from a checkpoint.

  Attributes:
    pretrained: arrays of the checkpoint, by "params:module:name" and so on; all
      others are reinitialised.
  """

  pretrained: Mapping[str, Any] = dataclasses.field(compare=False, repr=False)

  def init(self, key: Array) -> perceiver.Variables:
    """Returns the variables before the first step; may be traced by JAX."""
    fresh = super().init(key)
    shapes = jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), dict(self.pretrained)
    )
    # Called, not closed over: compiled code would hold a copy of every array.
    known = jax.pure_callback(lambda: self.pretrained, shapes)
    name = functools.partial(jax.tree_util.keystr, simple=True, separator=":")
    return jax.tree.map_with_path(
      lambda path, array: known.get(name(path), array), fresh
    )


@functools.lru_cache(maxsize=1)
def from_checkpoint(
  config: Any, path: pathlib.Path, source: Any = None
) -> FineTuned:
  """Returns a model that is initialised from a pre-trained one.

  The number of reinitialised arrays, those of heads and the tasks' own vectors,
  is printed on standard error.

  Args:
    config: of the model.
    path: of another model with the same trunk.
    source: the other model's configuration, if its kind is not the library's.

  Raises:
    FileNotFoundError: if there is nothing at the path.
    perceiver.CheckpointError: if it cannot be used for this model.
  """
  _, variables, report = perceiver.load_for_finetuning(
    config, path, source=source
  )
  arrays = check.flatten(variables)
  pretrained = {n: arrays[n] for n in arrays.keys() - {*report.reinitialised}}
  print(
    f"{path}: {len(report.reinitialised)} arrays are reinitialised, "
    f"{', '.join(report.reinitialised[:4])} among them",
    file=sys.stderr,
    flush=True,
  )
  return FineTuned(config, pretrained)


def create(config: Any, path: pathlib.Path | None) -> perceiver.Model:
  """Returns a model, initialised from a checkpoint if there is a path.

  Raises:
    FileNotFoundError: if there is nothing at the path.
    perceiver.CheckpointError: if it cannot be used for this model.
  """
  return (
    perceiver.create(config) if path is None else from_checkpoint(config, path)
  )
