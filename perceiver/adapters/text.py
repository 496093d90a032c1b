"""From token ids to inputs, and from decoded vectors to logits over tokens.

Text is the one kind of input whose positions are added to its features, not
joined to them as channels of their own (2107.14795 §4.1).
"""

import dataclasses

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32

from perceiver import bounds
from perceiver import position_encoding
from perceiver.adapters import checks
from perceiver.adapters import rows
from perceiver.attention import input_parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextInputConfig:
  """The adapter of token ids.

  Attributes:
    vocab_size: the number of different ids.
    max_length: the longest text in tokens, which is how many positions are
      learned; shorter texts use the first of them.
    channels: channels of the embeddings and of the positions added to them.
    init_scale: standard deviation of the truncated normal that positions
      start from.
    embedding_init_scale: the same for embeddings. The released model's are
      Haiku's, 1; the paper does not state it.
  """

  vocab_size: int
  max_length: int
  channels: int = 768
  init_scale: float = 0.02
  embedding_init_scale: float = 1.0

  def __post_init__(self) -> None:
    bounds.check(
      self,
      *("vocab_size", "max_length", "channels"),
      init_scale="(0, inf)",
      embedding_init_scale="(0, inf)",
    )

  def resizable_tables(self) -> dict[str, tuple[int, ...]]:
    """Returns the grids of learned positions, by module below the input's."""
    return {"learned_positions": (self.max_length,)}

  @property
  def input_channels(self) -> int:
    """Channels of the inputs."""
    return self.channels

  def example(self, batch_size: int = 1) -> jax.ShapeDtypeStruct:
    """Returns shape and dtype of the ids, [B, M] int32."""
    return jax.ShapeDtypeStruct((batch_size, self.max_length), jnp.int32)

  def apply(
    self,
    examples: checks.Unchecked,
    mask: checks.Unchecked | None = None,
    *,
    is_training: bool = False,
  ) -> tuple[input_parts.Parts, Bool[Array, "B M"] | None]:
    """Returns the inputs of ids [B, M], and their mask; see `InputAdapter`."""
    del is_training
    check_mask(mask, examples.shape)
    return TextInput(self, name="text_input")(examples), mask

  @property
  def positions(self) -> position_encoding.Learned:
    """The kind of vector that every position has."""
    return position_encoding.Learned(
      channels=self.channels, init_scale=self.init_scale
    )

  @property
  def embeddings(self) -> position_encoding.Learned:
    """The kind of vector that every id has."""
    return position_encoding.Learned(
      channels=self.channels, init_scale=self.embedding_init_scale
    )


@dataclasses.dataclass
class TextInput(hk.Module):
  """Turns token ids into embeddings with positions added."""

  config: TextInputConfig
  name: str | None = None

  def __call__(
    self,
    ids: checks.Unchecked,  # [B, M] integers
    prefix: Float[Array, "P C"] | None = None,
  ) -> tuple[Float[Array, "B _ C"]]:
    """Returns the embedded text, after `prefix` if there is one.

    Args:
      ids: from 0 to `vocab_size` - 1, with P + M of at most `max_length`. An
        id out of this range makes the inputs at its position NaN, which shows
        unless they are masked.
      prefix: vectors that stand before every text and take its first
        positions.

    Raises:
      TypeError: if ids are not integers.
      ValueError: if they have another rank or are too many.
    """
    num_prefix = 0 if prefix is None else len(prefix)
    check_ids(self.config, ids, num_prefix)
    tokens = rows.take(self.table(), ids)  # [B, M, C]
    if prefix is not None:
      shape = (ids.shape[0], *prefix.shape)
      tokens = jnp.concatenate([jnp.broadcast_to(prefix, shape), tokens], 1)
    positions = position_encoding.LearnedVectors(
      self.config.max_length, self.config.positions, name="learned_positions"
    )()
    return (tokens + positions[: tokens.shape[1]],)

  @hk.name_like("__call__")
  def table(self) -> Float[Array, "V C"]:
    """Returns the embedding of every id."""
    return position_encoding.LearnedVectors(
      self.config.vocab_size, self.config.embeddings, name="token_embedding"
    )()


@dataclasses.dataclass
class TiedLogits(hk.Module):
  """Compares decoded vectors with the embedding of every token."""

  name: str | None = None

  def __call__(
    self,
    x: Float[Array, "B O C"],
    table: Float[Array, "V C"],
  ) -> Float32[Array, "B O V"]:
    bias = hk.get_parameter("b", [len(table)], init=jnp.zeros)
    products = jnp.einsum(
      "boc,vc->bov",
      x,
      table.astype(x.dtype),
      preferred_element_type=jnp.float32,
    )
    return products + bias


def check_ids(
  config: TextInputConfig, ids: checks.Unchecked, num_prefix: int = 0
) -> None:
  """Raises unless ids are integers [B, M] that fit after `num_prefix`."""
  if not jnp.issubdtype(ids.dtype, jnp.integer):
    raise TypeError(
      f"Text input: ids have dtype {ids.dtype}; expected integers."
    )
  longest = config.max_length - num_prefix
  if ids.ndim != 2 or not 1 <= ids.shape[1] <= longest:
    raise ValueError(
      f"Text input: ids have shape {tuple(ids.shape)}; expected [batch, "
      f"length] with a length from 1 to {longest}. Split or cut longer texts."
    )


def check_mask(
  mask: checks.Unchecked | None, shape: tuple[bounds.Size, ...]
) -> None:
  """Raises unless a mask is None or boolean and of the given shape."""
  if mask is not None:
    checks.flags("Text input", mask, shape)
