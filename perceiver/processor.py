"""The latent Transformer: all the depth, at a cost free of the input's size.

As in both papers, it has a number of blocks with a number of self-attends each;
layers of a block have weights of their own, which all blocks share unless the
network shares nothing.
"""

from collections.abc import Callable
import dataclasses

import haiku as hk
from jaxtyping import Array, Float

from perceiver import blocks
from perceiver import bounds
from perceiver import rematerialisation


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProcessorConfig:
  """Blocks of self-attention layers.

  Attributes:
    channels: channels D of the latents.
    num_self_attends_per_block: layers L of a block, each with its own
      parameters; 0 for none.
    num_blocks: blocks, one after the other.
    self_attention: settings of every layer.
    remat: the part of a layer that the backward pass computes again.
  """

  channels: int
  num_self_attends_per_block: int
  num_blocks: int = 1
  self_attention: blocks.SelfAttentionConfig = blocks.SelfAttentionConfig()
  remat: rematerialisation.Remat = rematerialisation.Remat.ALL

  def __post_init__(self) -> None:
    bounds.check(self, "num_blocks", num_self_attends_per_block="[0, inf)")
    num_layers = self.num_blocks * max(1, self.num_self_attends_per_block)
    bounds.check_number("Processor", "number of layers", num_layers, 10_000)
    self.self_attention.attention(self.channels, self.channels)


@dataclasses.dataclass
class Processor(hk.Module):
  """One block of latent self-attention layers.

  The block is one loop over stacked parameters, which compiles one layer only.
  """

  config: ProcessorConfig
  is_training: bool = False
  name: str | None = None

  def __call__(self, latents: Float[Array, "B N D"]) -> Float[Array, "B N D"]:
    return self.map_layers(lambda layer, x: layer(x), latents)

  @hk.name_like("__call__")
  def map_layers(
    self,
    apply: Callable[[blocks.SelfAttentionBlock, blocks.State], blocks.State],
    state: blocks.State,
  ) -> blocks.State:
    """Applies a function of a layer and a state to one layer after another."""

    def layer(x: blocks.State) -> blocks.State:
      block = blocks.SelfAttentionBlock(
        self.config.self_attention, self.is_training, name="self_attention"
      )
      return apply(block, x)

    num_layers = self.config.num_self_attends_per_block
    if not num_layers:
      return state
    step = rematerialisation.rematerialised(layer, self.config.remat)
    return hk.layer_stack(num_layers, name="stack")(step)(state)
