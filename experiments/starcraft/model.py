"""A policy: an action and a target for every entity.

The encoder of entities is one of 2107.14795 §4.4, a Transformer or a Perceiver
IO. AlphaStar's own heads are autoregressive, one action after the other. Here
the actions of all units are predicted at once; so that they do not all attack
the same enemy, units that intend the same target exchange messages first.
"""

import dataclasses
from typing import NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from experiments.starcraft import entities as starcraft_entities
from experiments.starcraft.game import units
from perceiver import bounds
from perceiver import growing
from perceiver import layers
from perceiver import model
from perceiver.adapters import checks
from perceiver.adapters import entities as adapter
from perceiver.models import starcraft

Array = jax.Array

_MASKED = -1e9  # the logit of a free slot as a target


class Decisions(NamedTuple):
  """Outputs of a policy for B sets of M entities, float32."""

  action_kinds: Array  # [B, M, K], logits of the kinds of actions
  targets: Array  # [B, M, M], logits of the entity to attack
  winning: Array  # [B], logit of one's own army winning


@dataclasses.dataclass(frozen=True, kw_only=True)
class PolicyConfig:
  """A policy over sets of entities.

  Attributes:
    encoder: what relates entities to one another. They are mapped to its
      channels first.
    pointer_channels: channels in which entities and their targets match.
    message_channels: channels in which entities tell those who are about to
      attack the same target about themselves.
    entity_channels: C, channels of an entity.
    num_action_kinds: kinds of actions, K.
  """

  encoder: starcraft.EntityEncoderConfig
  pointer_channels: int = 64
  message_channels: int = 32
  entity_channels: int = starcraft_entities.NUM_CHANNELS
  num_action_kinds: int = len(units.ActionKind)

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self,
      *("pointer_channels", "message_channels"),
      *("entity_channels", "num_action_kinds"),
    )

  @property
  def precision(self) -> model.Precision:
    """Precision of the encoder's activations."""
    return self.encoder.precision

  def network(self, is_training: bool = False) -> "Policy":
    """Returns the Haiku module."""
    return Policy(self, is_training, name="policy")

  def example(self, batch_size: int = 1) -> tuple[jax.ShapeDtypeStruct]:
    """Returns shape and dtype of the entities, [B, M, C] float32."""
    slots = self.encoder.entities.num_slots
    shape = (batch_size, slots, self.entity_channels)
    return (jax.ShapeDtypeStruct(shape, jnp.float32),)


@dataclasses.dataclass
class Policy(hk.Module):
  """Maps entities to decisions; the values of free slots change nothing."""

  config: PolicyConfig
  is_training: bool = False
  name: str | None = None

  def __call__(
    self,
    entities: Array,  # [B, M, C]
    mask: Array | None = None,  # [B, M] bool
  ) -> Decisions:
    """Returns decisions, of no meaning in free slots.

    Args:
      entities: one for each slot.
      mask: True for slots in use; all are if None.
    """
    embedded = self._embed(entities, mask)  # [B, M, E]
    return self._decide(*self._encoder()(embedded, mask), mask)

  @hk.name_like("__call__")
  def encode(self, entities: Array, mask: Array | None = None) -> Array:
    """Returns latents [B, N, D]; of the Transformer, N is M."""
    return self._encoder().encode(self._embed(entities, mask), mask)

  @hk.name_like("__call__")
  def grow(
    self,
    grown: growing.Grown | None,
    entities: Array,
    mask: Array | None = None,
  ) -> growing.Grown:
    """Returns all latents, given the first; None if none are."""
    return self._encoder().grow(grown, self._embed(entities, mask), mask)

  @hk.name_like("__call__")
  def decode(
    self,
    latents: Array,  # [B, N, D]
    entities: Array,  # [B, M, C]
    mask: Array | None = None,  # [B, M] bool
  ) -> Decisions:
    """Returns decisions of latents."""
    embedded = self._embed(entities, mask)
    return self._decide(*self._encoder().decode(latents, embedded, mask), mask)

  @hk.name_like("__call__")
  def attention_map(self, entities: Array, mask: Array | None = None) -> Array:
    """Returns the latents' attention, [B, H, N, M]; not of a Transformer."""
    embedded = self._embed(entities, mask)
    return self._encoder().attention_map(embedded, mask)

  @hk.name_like("__call__")
  def _encoder(self) -> starcraft.EntityEncoder:
    return starcraft.EntityEncoder(
      self.config.encoder, self.is_training, name="entity_encoder"
    )

  @hk.name_like("__call__")
  def _embed(self, entities: Array, mask: Array | None) -> Array:
    """Maps entities to the channels of the encoder; free slots to a bias."""
    size = self.config.encoder.entities
    shape = (size.num_slots, self.config.entity_channels)
    checks.floats("Policy", entities, shape)
    cleared = adapter.clear(entities, mask)
    return layers.Linear(size.channels, name="embedding")(cleared)

  @hk.name_like("__call__")
  def _decide(
    self,
    each: Array,  # [B, M, F]
    summary: Array,  # [B, F]
    mask: Array | None,  # [B, M] bool
  ) -> Decisions:
    intended = self._aim("intended", each, mask)  # [B, M, M]
    each = self._communicate(each, jax.nn.softmax(intended), mask)
    return Decisions(
      action_kinds=layers.Linear(self.config.num_action_kinds, name="choices")(
        each
      ),
      targets=intended + self._aim("decided", each, mask),
      winning=layers.Linear(1, name="winning")(summary)[:, 0],
    )

  @hk.name_like("__call__")
  def _aim(
    self,
    name: str,
    each: Array,  # [B, M, F]
    mask: Array | None,  # [B, M] bool
  ) -> Array:  # [B, M, M]
    """Returns logits of targets, those of free slots masked."""
    channels = self.config.pointer_channels
    queries = layers.Linear(channels, name=f"{name}_queries")(each)
    keys = layers.Linear(channels, name=f"{name}_keys")(each)  # [B, M, K]
    logits = queries @ keys.swapaxes(1, 2) / np.sqrt(channels)  # [B, M, M]
    return logits if mask is None else jnp.where(mask[:, None], logits, _MASKED)

  @hk.name_like("__call__")
  def _communicate(
    self,
    each: Array,  # [B, M, F]
    aims: Array,  # [B, M, M], rows sum to one
    mask: Array | None,  # [B, M] bool
  ) -> Array:  # [B, M, F]
    """Adds to each entity a message of its target and of those aiming at it.

    Messages to a target are summed, not averaged: the sum grows with the number
    of entities that aim at it.
    """
    messages = layers.Linear(self.config.message_channels, name="messages")
    sent = adapter.clear(messages(each), mask)  # [B, M, C]
    received = aims.swapaxes(1, 2) @ sent  # [B, M, C]
    traits = layers.Linear(self.config.message_channels, name="traits")(each)
    returned = aims @ jnp.concatenate([received, traits], -1)  # [B, M, 2 C]
    joined = jnp.concatenate([each, returned, received], axis=-1)
    normed = layers.LayerNorm(name="norm")(joined)  # [B, M, F + 3 C]
    channels = each.shape[-1]
    hidden = jax.nn.gelu(layers.Linear(channels, name="hidden")(normed))
    return each + layers.Linear(channels, name="agreed")(hidden)
