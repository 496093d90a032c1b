"""From any number of inputs to a fixed number of latents."""

import dataclasses
import enum

import jax
import jax.numpy as jnp

from perceiver import blocks
from perceiver import position_encoding

Array = jax.Array


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
    num_heads: heads of the cross-attention.
    qk_channels: channels of its queries and keys; `input_channels` if None.
    v_channels: channels of its values; `qk_channels` if None.
    query_residual: whether the latents are added to what they attend to.
    mlp_widening: hidden channels of its MLP over `latent_channels`.
    exact_gelu: whether its GELU is not the tanh approximation.
    dropout_rate: share dropped after attention and MLP.
    attention_dropout_rate: share of the attention weights dropped.
    direct: see `AttentionConfig`.
  """

  input_channels: int
  num_latents: int
  latent_channels: int
  latent_init_scale: float = 0.02
  num_cross_attends: int = 1
  arrangement: Arrangement = Arrangement.INTERLEAVED
  num_heads: int = 1
  qk_channels: int | None = None
  v_channels: int | None = None
  query_residual: bool = True
  mlp_widening: int = 1
  exact_gelu: bool = False
  dropout_rate: float = 0.0
  attention_dropout_rate: float = 0.0
  direct: bool = False

  def __post_init__(self) -> None:
    for name in (
      "input_channels",
      "num_latents",
      "latent_channels",
      "num_cross_attends",
    ):
      if getattr(self, name) < 1:
        raise ValueError(
          f"Encoder: {name} is {getattr(self, name)}; expected at least 1."
        )
    _ = self.cross_attention

  @property
  def cross_attention(self) -> blocks.CrossAttentionConfig:
    """The block of every cross-attend."""
    return blocks.CrossAttentionConfig(
      query_channels=self.latent_channels,
      input_channels=self.input_channels,
      num_heads=self.num_heads,
      qk_channels=self.qk_channels,
      v_channels=self.v_channels,
      query_residual=self.query_residual,
      mlp_widening=self.mlp_widening,
      exact_gelu=self.exact_gelu,
      dropout_rate=self.dropout_rate,
      attention_dropout_rate=self.attention_dropout_rate,
      direct=self.direct,
    )

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
  config: EncoderConfig, batch_size: int, dtype: jnp.dtype
) -> Array:  # [B, N, D]
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
