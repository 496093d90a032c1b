"""From any number of inputs to a fixed number of latents."""

import dataclasses
import enum

import jax.numpy as jnp
from jaxtyping import Array, Float

from perceiver import blocks
from perceiver import bounds
from perceiver import position_encoding

# Every cross-attend is traced on its own.
_MAX_UNROLLED = 100


class Arrangement(enum.Enum):
  """The places of several cross-attends among the blocks.

  `INTERLEAVED` spreads them evenly, the first before the first block;
  `AT_START` puts all before the first block (2103.03206 table 6).
  """

  INTERLEAVED = "interleaved"
  AT_START = "at_start"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderConfig:
  """Latents, and their cross-attention to the inputs.

  Attributes:
    input_channels: channels C of the inputs with their positions.
    num_latents: the number N of latents.
    latent_channels: channels D of the latents.
    latent_init_scale: standard deviation of the latents' initial values.
    num_cross_attends: cross-attends in all; 1 for Perceiver IO.
    arrangement: the places of several of them among the blocks.
    cross_attention: settings of every cross-attend.
  """

  input_channels: int
  num_latents: int
  latent_channels: int
  latent_init_scale: float = 0.02
  num_cross_attends: int = 1
  arrangement: Arrangement = Arrangement.INTERLEAVED
  cross_attention: blocks.CrossAttentionConfig = blocks.CrossAttentionConfig()

  def __post_init__(self) -> None:
    bounds.check(
      self,
      "input_channels",
      "num_latents",
      "latent_channels",
      latent_init_scale="(0, inf)",
      num_cross_attends=f"[1, {_MAX_UNROLLED}]",
    )
    self.cross_attention.attention(self.latent_channels, self.input_channels)

  def cross_attends_per_block(self, num_blocks: int) -> tuple[int, ...]:
    """Returns the number of cross-attends before each block."""
    if self.arrangement is Arrangement.AT_START:
      return (self.num_cross_attends,) + (0,) * (num_blocks - 1)
    starts = [
      i * num_blocks // self.num_cross_attends
      for i in range(self.num_cross_attends)
    ]
    return tuple(starts.count(i) for i in range(num_blocks))


def initial_latents(
  config: EncoderConfig, batch_size: bounds.Size, dtype: jnp.dtype
) -> Float[Array, "B N D"]:
  """Returns the learned latents, the same for every example."""
  vectors = position_encoding.LearnedVectors(
    config.num_latents,
    position_encoding.Learned(
      channels=config.latent_channels, init_scale=config.latent_init_scale
    ),
    name="latents",
  )()
  shape = (batch_size, *vectors.shape)
  return jnp.broadcast_to(vectors.astype(dtype), shape)
