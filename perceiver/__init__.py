"""Perceiver and Perceiver IO in JAX and Haiku."""

import importlib
from importlib import util
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
  from perceiver.attention.segments import Segments
  from perceiver.checkpoints.errors import CheckpointError
  from perceiver.checkpoints.finetuning import load_for_finetuning
  from perceiver.checkpoints.load import load
  from perceiver.checkpoints.load import restore
  from perceiver.checkpoints.store import save
  from perceiver.errors import PerceiverError
  from perceiver.model import Model
  from perceiver.model import Precision
  from perceiver.model import Variables
  from perceiver.models.registry import create
  from perceiver.models.registry import list_models
  from perceiver.programs import export

__version__ = "0.3.0.dev0"  # the only place where it is set

__all__ = [
  "CheckpointError",
  "Model",
  "PerceiverError",
  "Precision",
  "Segments",
  "Variables",
  "create",
  "export",
  "list_models",
  "load",
  "load_for_finetuning",
  "restore",
  "save",
]

# Imported when first used: a command line's help needs no JAX, and a JAX that
# cannot be imported must not keep `perceiver doctor` from saying so.
_MODULES = {
  "CheckpointError": "perceiver.checkpoints.errors",
  "Model": "perceiver.model",
  "PerceiverError": "perceiver.errors",
  "Precision": "perceiver.model",
  "Segments": "perceiver.attention.segments",
  "Variables": "perceiver.model",
  "create": "perceiver.models.registry",
  "export": "perceiver.programs",
  "list_models": "perceiver.models.registry",
  "load": "perceiver.checkpoints.load",
  "load_for_finetuning": "perceiver.checkpoints.finetuning",
  "restore": "perceiver.checkpoints.load",
  "save": "perceiver.checkpoints.store",
}


def __getattr__(name: str) -> Any:
  """Imports and returns a public name, or a module of the library."""
  if name in _MODULES:
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value
  if util.find_spec(f"perceiver.{name}") is None:
    raise AttributeError(f"module 'perceiver' has no attribute {name!r}")
  return importlib.import_module(f"perceiver.{name}")
