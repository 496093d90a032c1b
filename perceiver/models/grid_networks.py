"""Networks over grids of inputs, which the Perceiver is compared with.

The Vision Transformer (2010.11929) and the residual network (1512.03385) on the
Perceiver's own inputs: 2103.03206 tables 1, 2 and 4.
"""

import dataclasses

import haiku as hk
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32

from perceiver import blocks
from perceiver import bounds
from perceiver import layers
from perceiver import position_encoding
from perceiver import processor
from perceiver.adapters import patches


@dataclasses.dataclass(frozen=True, kw_only=True)
class VisionTransformerConfig:
  """A Transformer over patches of a grid and a class token; ViT-B by default.

  Patches of one are a plain Transformer over all inputs.

  Attributes:
    patch_size: side of a patch, which divides the grid's.
    layers: the stack of self-attention layers.
  """

  patch_size: int = 16
  layers: processor.ProcessorConfig = processor.ProcessorConfig(
    channels=768,
    num_self_attends_per_block=12,
    self_attention=blocks.SelfAttentionConfig(num_heads=12, mlp_widening=4),
  )

  def __post_init__(self) -> None:
    bounds.check(self, "patch_size")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResNetConfig:
  """A residual network of 50 layers, Haiku's.

  Attributes:
    decay: of the running statistics of the batch norm.
  """

  decay: float = 0.9

  def __post_init__(self) -> None:
    bounds.check(self, decay="[0, 1)")


GridNetworkConfig = VisionTransformerConfig | ResNetConfig


def check_grid(config: GridNetworkConfig, grid: tuple[int, int]) -> None:
  """Raises a ValueError if patches do not cover the grid."""
  if not isinstance(config, VisionTransformerConfig):
    return
  if any(side % config.patch_size for side in grid):
    raise ValueError(
      f"Vision Transformer: patch_size is {config.patch_size}; expected a "
      f"divisor of both sides of a grid of {grid}."
    )


@dataclasses.dataclass
class GridNetwork(hk.Module):
  """Inputs on a grid to logits."""

  config: GridNetworkConfig
  num_classes: int
  is_training: bool = False
  name: str | None = None

  def __call__(
    self, x: Float[Array, "B H W C"]
  ) -> Float32[Array, "B {self.num_classes}"]:
    """Returns logits, float32."""
    config = self.config
    if isinstance(config, ResNetConfig):
      network = hk.nets.ResNet50(
        self.num_classes, bn_config={"decay_rate": config.decay}, name="resnet"
      )
      return network(x, self.is_training).astype(jnp.float32)
    side, channels = config.patch_size, config.layers.channels
    rows = patches.space_to_depth(x, (side, side))  # [B, h, w, side·side·C]
    rows = rows.reshape(x.shape[0], -1, rows.shape[-1])  # [B, P, side·side·C]
    tokens = layers.Linear(channels, name="embedding")(rows)  # [B, P, D]
    learned = position_encoding.Learned(channels=channels)
    token = position_encoding.LearnedVectors(1, learned, name="class")()
    first = jnp.broadcast_to(token, (x.shape[0], 1, channels)).astype(x.dtype)
    tokens = jnp.concatenate([first, tokens], axis=1)  # [B, 1 + P, D]
    tokens = processor.Processor(
      config.layers, self.is_training, name="processor"
    )(tokens)  # [B, 1 + P, D]
    answer = layers.LayerNorm(name="norm")(tokens[:, 0])  # [B, D]
    logits = layers.Linear(self.num_classes, name="output")(answer)
    return logits.astype(jnp.float32)
