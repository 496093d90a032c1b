"""Perceiver and Perceiver IO in JAX and Haiku."""

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

__all__ = [
  "CheckpointError",
  "Model",
  "PerceiverError",
  "Precision",
  "Segments",
  "Variables",
  "create",
  "list_models",
  "load",
  "load_for_finetuning",
  "restore",
  "save",
]
