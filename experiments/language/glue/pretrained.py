"""Fine-tuning: models that are initialised from a checkpoint."""

from collections.abc import Mapping
import dataclasses
import functools
import pathlib
import sys
from typing import Any

import jax

from experiments.data import files
import perceiver
from perceiver.checkpoints import load
from perceiver.models import glue
from perceiver.models import language

Array = jax.Array
# {"params" or "state": {module: {name: array}}}
_Trees = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclasses.dataclass(frozen=True)
class FineTuned(perceiver.Model):
  """A model that is initialised from a checkpoint.

  Attributes:
    pretrained: the arrays of the checkpoint; all others are reinitialised.
  """

  pretrained: _Trees = dataclasses.field(compare=False, repr=False)

  def init(self, key: Array) -> perceiver.Variables:
    """Returns the variables before the first step; may be traced by JAX."""
    fresh = super().init(key)
    shapes = jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), dict(self.pretrained)
    )
    # Called, not closed over: compiled code would hold a copy of every array.
    known = jax.pure_callback(lambda: self.pretrained, shapes)
    merged = {
      collection: {
        module: {**entries, **known.get(collection, {}).get(module, {})}
        for module, entries in tree.items()
      }
      for collection, tree in fresh._asdict().items()
    }
    return perceiver.Variables(**merged)


@functools.lru_cache(maxsize=1)
def from_checkpoint(config: Any, path: pathlib.Path) -> FineTuned:
  """Returns a model that is initialised from a pre-trained one.

  The number of reinitialised arrays, those of heads and the tasks' own vectors,
  is printed on standard error.

  Args:
    config: of the model.
    path: of a language model, or of a model of GLUE, with the same trunk.

  Raises:
    FileNotFoundError: if there is nothing at the path.
    files.InputError: if it cannot be used for this model.
  """
  try:
    _, variables, report = perceiver.load_for_finetuning(config, path)
  except perceiver.CheckpointError as error:
    raise files.InputError(str(error)) from error
  pretrained: dict[str, dict[str, dict[str, Any]]] = {}
  for collection, tree in variables._asdict().items():
    for module, entries in tree.items():
      for name, array in entries.items():
        if f"{collection}:{module}:{name}" not in report.reinitialised:
          kept = pretrained.setdefault(collection, {}).setdefault(module, {})
          kept[name] = array
  print(
    f"{path}: {len(report.reinitialised)} arrays are reinitialised, "
    f"{', '.join(report.reinitialised[:4])} among them",
    file=sys.stderr,
    flush=True,
  )
  return FineTuned(config, pretrained)


@functools.lru_cache(maxsize=8)
def trunk_of(path: pathlib.Path) -> language.LanguageModelConfig:
  """Returns the language model in a checkpoint, or under its model of GLUE.

  Raises:
    FileNotFoundError: if there is nothing at the path.
    files.InputError: if it is damaged, or holds something else.
  """
  try:
    model, _ = load.load(path)
  except perceiver.CheckpointError as error:
    raise files.InputError(str(error)) from error
  config = model.config
  if isinstance(config, glue.GlueConfig):
    config = config.trunk
  if not isinstance(config, language.LanguageModelConfig):
    raise files.InputError(
      f"{path} holds {type(config).__name__}; expected a language model, or a "
      "model of GLUE"
    )
  return config
