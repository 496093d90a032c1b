"""The parameters of Perceiver AR, and the functions of each of its parts."""

import enum
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32, Int, PRNGKeyArray, Real

from perceiver import blocks
from perceiver import layers
from perceiver import position_encoding
from perceiver.autoregressive import sequence_positions


class Activation(enum.Enum):
  """The nonlinearity of an MLP; the released one is the square of a ReLU."""

  SQUARED_RELU = "squared_relu"
  GELU = "gelu"

  def __call__(self, x: Float[Array, "*B C"]) -> Float[Array, "*B C"]:
    """Applies it; GELU is the tanh approximation."""
    if self is Activation.GELU:
      return jax.nn.gelu(x)
    return jnp.square(jax.nn.relu(x))


class Weights(NamedTuple):
  """All parameters but those of the self-attentions."""

  tokens: Float[Array, "V C"]
  preceding: tuple[Float[Array, "V C"], ...]
  tables: tuple[Float[Array, "_ C"], ...]
  query: layers.LinearWeights
  cross_attention: blocks.CrossAttentionWeights
  norm: layers.NormWeights
  logits: layers.LinearWeights

  def embed(
    self,
    config: sequence_positions.Positions,
    elements: Int[Array, "B E"],
    positions: Real[Array, "B M P"],
  ) -> Float[Array, "B M C"]:
    """Returns the embeddings of inputs, with their positions if absolute.

    Args:
      config: of the positions.
      elements: those before the inputs that they know, 0 for none, and the
        M inputs.
      positions: of the inputs.
    """
    first = len(self.preceding)  # of the inputs
    embedded = jnp.take(self.tokens, elements[:, first:], axis=0)
    for back, table in enumerate(self.preceding, 1):
      ended = elements[:, first - back : elements.shape[1] - back]
      embedded += jnp.take(table, ended, axis=0)
    if isinstance(config, sequence_positions.Sinusoidal):
      embedded += position_encoding.sinusoidal(
        positions[..., 0], config.size, embedded.shape[-1]
      )
    for axis, table in enumerate(self.tables):
      embedded += jnp.take(table, positions[..., axis], axis=0)
    return embedded

  def predict(self, latents: Float[Array, "B N D"]) -> Float32[Array, "B N V"]:
    """Returns logits of latents."""
    return self.logits(self.norm(latents)).astype(jnp.float32)


def finish_block(
  activation: Activation,
  weights: blocks.CrossAttentionWeights,
  x: Float[Array, "B T D"],
  attended: Float[Array, "B T D"],
  dropout_rate: float = 0.0,
  keys: tuple[PRNGKeyArray | None, ...] = (None, None),
) -> Float[Array, "B T D"]:
  """Adds what was attended to, then the MLP of the sum."""
  x += layers.dropout(attended, dropout_rate, keys[0])
  hidden = weights.mlp.hidden(weights.mlp_norm(x))
  widened = weights.mlp.output(activation(hidden))
  return x + layers.dropout(widened, dropout_rate, keys[1])
