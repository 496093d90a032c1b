"""The latent Transformer: all the depth, at a cost free of the input's size."""

import dataclasses

import haiku as hk
import jax

from perceiver import blocks
from perceiver import stacking

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProcessorConfig:
  """A stack of self-attention layers, passed through several times.

  Attributes:
    channels: channels D of the latents.
    num_layers: layers L of the stack, each with its own parameters.
    num_repeats: how often the stack is passed through.
    num_heads: heads of every layer.
    qk_channels: channels of queries and keys; `channels` if None.
    v_channels: channels of the values; `qk_channels` if None.
    mlp_widening: hidden channels of the MLPs over `channels`.
    exact_gelu: whether their GELU is not the tanh approximation.
    dropout_rate: share dropped after attention and MLP.
    attention_dropout_rate: share of the attention weights dropped.
    remat: what of a layer the backward pass computes again.
  """

  channels: int
  num_layers: int
  num_repeats: int = 1
  num_heads: int = 8
  qk_channels: int | None = None
  v_channels: int | None = None
  mlp_widening: int = 1
  exact_gelu: bool = False
  dropout_rate: float = 0.0
  attention_dropout_rate: float = 0.0
  remat: stacking.Remat = stacking.Remat.ALL

  def __post_init__(self) -> None:
    if self.num_layers < 0 or self.num_repeats < 1:
      raise ValueError(
        f"Processor: num_layers is {self.num_layers} and num_repeats "
        f"{self.num_repeats}; expected at least 0 and 1."
      )
    _ = self.layer

  @property
  def layer(self) -> blocks.SelfAttentionConfig:
    """The self-attention block of every layer."""
    return blocks.SelfAttentionConfig(
      channels=self.channels,
      num_heads=self.num_heads,
      qk_channels=self.qk_channels,
      v_channels=self.v_channels,
      mlp_widening=self.mlp_widening,
      exact_gelu=self.exact_gelu,
      dropout_rate=self.dropout_rate,
      attention_dropout_rate=self.attention_dropout_rate,
    )


@dataclasses.dataclass
class Processor(hk.Module):
  """The stack of latent self-attention layers."""

  config: ProcessorConfig
  is_training: bool = False
  name: str | None = None

  def __call__(self, latents: Array) -> Array:  # [B, N, D] -> [B, N, D]
    cfg = self.config
    random = self.is_training and (
      cfg.dropout_rate or cfg.attention_dropout_rate
    )
    key = hk.next_rng_key() if random else None
    return stacking.repeat(self.bind(latents), cfg.num_repeats)(key, latents)

  @hk.name_like("__call__")
  def bind(self, latents: Array) -> stacking.Layer:
    """Returns one pass through the stack, as a function of (key, latents)."""
    cfg = self.config
    return stacking.stack(
      lambda x: blocks.SelfAttentionBlock(
        cfg.layer, self.is_training, name="self_attention"
      )(x),
      cfg.num_layers,
      latents,
      remat=cfg.remat,
    )
