"""Layers whose backward pass computes a part of them again, to save memory."""

from collections.abc import Callable
import enum
from typing import TypeVar

import haiku as hk
import jax

State = TypeVar("State")


class Remat(enum.Enum):
  """The part of a layer that the backward pass computes again.

  NOTHING keeps all of it. ALL keeps the layer's inputs only: a third more
  operations, for memory that grows with N·D per layer. ATTENTION keeps the
  results of linear maps too, and computes attention, norms and activations
  again.
  """

  NOTHING = "nothing"
  ATTENTION = "attention"
  ALL = "all"


def rematerialised(
  layer: Callable[[State], State], remat: Remat
) -> Callable[[State], State]:
  """Returns a layer whose backward pass computes a part of it again."""
  if remat is Remat.NOTHING:
    return layer
  # Products of attention have batch axes, those of linear maps have none.
  keep = jax.checkpoint_policies.dots_with_no_batch_dims_saveable
  return hk.remat(layer, policy=None if remat is Remat.ALL else keep)
