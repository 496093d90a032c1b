"""Perceiver and Perceiver IO in JAX and Haiku."""

from perceiver.checkpoints.load import load
from perceiver.checkpoints.store import restore
from perceiver.checkpoints.store import save
from perceiver.models.model import Model
from perceiver.models.model import Precision
from perceiver.models.model import Variables
from perceiver.models.registry import create
from perceiver.models.registry import list_models

__all__ = [
  "Model",
  "Precision",
  "Variables",
  "create",
  "list_models",
  "load",
  "restore",
  "save",
]
