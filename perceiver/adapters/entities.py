"""Sets of entities with free slots, on their way in and out of an encoder."""

import dataclasses

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from perceiver import bounds
from perceiver import layers
from perceiver.adapters import checks


@dataclasses.dataclass(frozen=True, kw_only=True)
class EntityInputConfig:
  """The adapter of sets of entities.

  Attributes:
    num_slots: slots M for entities, of which any number may be in use.
    channels: channels of an entity.
    embedding_channels: channels that entities are mapped to by a linear map;
      not mapped if None.
  """

  num_slots: int
  channels: int
  embedding_channels: int | None = None

  def __post_init__(self) -> None:
    bounds.check(self, "num_slots", "channels", "embedding_channels")

  @property
  def input_channels(self) -> int:
    """Channels of the inputs."""
    return self.embedding_channels or self.channels


@dataclasses.dataclass
class EntityInput(hk.Module):
  """Clears unused slots and embeds the others."""

  config: EntityInputConfig
  name: str | None = None

  def __call__(
    self,
    entities: checks.Unchecked,  # [B, M, C]
    mask: checks.Unchecked | None = None,  # [B, M] bool
  ) -> Float[Array, "B M E"]:
    config = self.config
    shape = (config.num_slots, config.channels)
    checks.floats("Entity input", entities, shape)
    entities = clear(entities, mask)
    if config.embedding_channels is None:
      return entities
    return layers.Linear(config.embedding_channels, name="embedding")(entities)


@dataclasses.dataclass
class EntityOutput(hk.Module):
  """Outputs for each entity, and one for all of them.

  Entities go through a ReLU and a linear map; their mean over the slots in use
  goes through a linear map and a ReLU.
  """

  channels: int
  name: str | None = None

  def __call__(
    self,
    encoded: Float[Array, "B M E"],
    mask: checks.Unchecked | None = None,  # [B, M] bool
  ) -> tuple[Float[Array, "B M F"], Float[Array, "B F"]]:
    """Returns entities, zeros in unused slots, and their summary."""
    each = layers.Linear(self.channels, name="entities")(jax.nn.relu(encoded))
    mean = masked_mean(encoded, mask)  # [B, E]
    summary = jax.nn.relu(layers.Linear(self.channels, name="summary")(mean))
    return clear(each, mask), summary


def clear(
  entities: Float[Array, "B M C"],
  mask: checks.Unchecked | None,  # [B, M] bool
) -> Float[Array, "B M C"]:
  """Sets unused slots to zero, whatever they hold.

  Raises:
    ValueError: if the mask has another shape.
    TypeError: if it is not boolean.
  """
  if mask is None:
    return entities
  checks.flags("Entity input", mask, entities.shape[:2])
  return jnp.where(mask[..., None], entities, 0)


def masked_mean(
  entities: Float[Array, "B M C"],
  mask: checks.Unchecked | None,  # [B, M] bool
) -> Float[Array, "B C"]:
  """Returns the mean over the slots in use; zeros where none is."""
  if mask is None:
    return jnp.mean(entities, axis=1)
  total = jnp.sum(clear(entities, mask), axis=1)
  number = jnp.maximum(jnp.sum(mask, axis=1, keepdims=True), 1)  # [B, 1]
  return total / number.astype(total.dtype)
