"""From latents to outputs, one for each query, or one for all latents."""

import dataclasses

import haiku as hk
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from perceiver import blocks
from perceiver import bounds
from perceiver import layers
from perceiver.attention import input_parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecoderConfig:
  """A cross-attention from queries to latents, then a linear map.

  Attributes:
    query_channels: channels E of the queries.
    output_channels: channels F of the outputs; None leaves out the linear map,
      and F is E.
    cross_attention: settings of the cross-attention.
    output_init_scale: variance scaling of the linear map's initial weights;
      0 makes all outputs start at zero.
  """

  query_channels: int
  output_channels: int | None
  cross_attention: blocks.CrossAttentionConfig = blocks.CrossAttentionConfig()
  output_init_scale: float = layers.TRUNCATED_VARIANCE

  def __post_init__(self) -> None:
    bounds.check(
      self, "query_channels", "output_channels", output_init_scale="[0, inf)"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeanDecoderConfig:
  """The mean over latents, then a linear map (2103.03206 appendix C).

  Attributes:
    output_channels: channels F of the one output.
    output_init_scale: variance scaling of the linear map's initial weights; 0,
      as released, makes all outputs start at zero.
  """

  output_channels: int
  output_init_scale: float = 0.0

  def __post_init__(self) -> None:
    bounds.check(self, "output_channels", output_init_scale="[0, inf)")


@dataclasses.dataclass
class Decoder(hk.Module):
  """Decodes queries from the latents, each on its own."""

  config: DecoderConfig
  is_training: bool = False
  name: str | None = None

  def __call__(
    self,
    latents: Float[Array, "B N D"],
    queries: input_parts.QueryParts,
    *,
    query_mask: Bool[Array, "B O"] | None = None,
  ) -> Float[Array, "B O F"]:
    cfg = self.config
    output = lambda x: x
    if cfg.output_channels is not None:
      output = (
        layers.Linear(cfg.output_channels, cfg.output_init_scale, name="output")
        .weights(cfg.query_channels)
        .__call__
      )
    return blocks.CrossAttentionBlock(
      cfg.cross_attention, self.is_training, name="cross_attention"
    ).decode_queries(queries, latents, output, query_mask=query_mask)


@dataclasses.dataclass
class MeanDecoder(hk.Module):
  """A linear map of the mean of the latents."""

  config: MeanDecoderConfig
  name: str | None = None

  def __call__(self, latents: Float[Array, "B N D"]) -> Float[Array, "B 1 F"]:
    mean = jnp.mean(latents, axis=1, keepdims=True)  # [B, 1, D]
    return layers.Linear(
      self.config.output_channels, self.config.output_init_scale, name="output"
    )(mean)
