"""The layers of every block: linear maps, layer norms and MLPs.

Parameters are float32; they are used in the dtype of the activations, so the
dtype of a model's inputs decides the dtype that it computes in.
"""

import dataclasses
from typing import NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from perceiver.attention import norm_kernels

LAYER_NORM_EPSILON = norm_kernels.EPSILON
# Stands for minus infinity where a true one would make inf - inf, or 0 · inf.
LOWEST = float(jnp.finfo(jnp.float32).min)

# A normal truncated at two deviations has this part of its variance. The maps
# of blocks make up for it (`VarianceScaling`); the released ones before and
# after the blocks, which are Haiku's own, start with what is left.
TRUNCATED_VARIANCE = 0.87962566103423978**2


def sum_dtype(dtype: jnp.dtype) -> jnp.dtype:
  """Returns the dtype of sums and statistics: float32 at least."""
  return jnp.promote_types(dtype, jnp.float32)


def normalise(x: Float[Array, "*B C"]) -> Float[Array, "*B C"]:
  """Gives the channels of every position mean 0 and variance 1.

  Statistics are computed in float32 at least; the result has the dtype of `x`.
  """
  wide = x.astype(sum_dtype(x.dtype))
  centred = wide - jnp.mean(wide, axis=-1, keepdims=True)
  variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
  return (centred * jax.lax.rsqrt(variance + LAYER_NORM_EPSILON)).astype(
    x.dtype
  )


def softmax(
  scores: Float[Array, "*B S"], mask: Bool[Array, "*#B S"] | None = None
) -> Float[Array, "*B S"]:
  """Returns weights that sum to one over what is not masked.

  Rows that are all masked, or −inf only, are zeros.
  """
  top = jnp.max(scores, axis=-1, keepdims=True, where=mask, initial=-jnp.inf)
  # Such rows would be 0/0: they are computed unmasked, then zeroed.
  any_score = top != -jnp.inf  # so that NaN stays visible
  scores = jnp.where(any_score, scores, 0)
  where = None if mask is None else mask | ~any_score
  return jnp.where(any_score, jax.nn.softmax(scores, where=where), 0)


def divide_sums(
  sums: Float[Array, "*B V"], total: Float[Array, "*B"]
) -> tuple[Float[Array, "*B V"], Float[Array, "*B"]]:
  """Ends a softmax whose unnormalised weights were added up in parts.

  Args:
    sums: of values, by their weights.
    total: of the weights.

  Returns:
    The attended values and log(total); zeros and +inf where the total is 0.
  """
  any_score = total != 0  # so that NaN stays visible
  total = jnp.where(any_score, total, 1)
  attended = jnp.where(any_score[..., None], sums / total[..., None], 0)
  return attended, jnp.where(any_score, jnp.log(total), jnp.inf)


class LinearWeights(NamedTuple):
  """An affine map of the channels."""

  w: Float[Array, "C D"]
  b: Float[Array, "D"]

  def __call__(self, x: Float[Array, "*B C"]) -> Float[Array, "*B D"]:
    """Returns `x w + b` in the dtype of `x`."""
    return x @ self.w.astype(x.dtype) + self.b.astype(x.dtype)


class NormWeights(NamedTuple):
  """Scale and offset of a layer norm."""

  scale: Float[Array, "C"]
  offset: Float[Array, "C"]

  def __call__(self, x: Float[Array, "*B C"]) -> Float[Array, "*B C"]:
    """Returns `x`, normalised, scaled and offset, in its own dtype."""
    return normalise(x) * self.scale.astype(x.dtype) + self.offset.astype(
      x.dtype
    )

  def beside(
    self, x: Float[Array, "B N C"]
  ) -> tuple[Float[Array, "B N C"], Float[Array, "B N C"]]:
    """Returns `x` and its norm, for a residual connection.

    A TPU adds up the gradients of both in the kernel of the norm.
    """
    return norm_kernels.beside(NormWeights.__call__, self, x)


def dropout(
  x: Float[Array, "*B C"], rate: float, key: PRNGKeyArray | None
) -> Float[Array, "*B C"]:
  """Zeroes a share `rate` of `x` and scales up the rest; needs a key then."""
  if not rate or key is None:
    return x
  keep = jax.random.bernoulli(key, 1 - rate, x.shape)
  return jnp.where(keep, x / (1 - rate), 0).astype(x.dtype)


@dataclasses.dataclass
class Linear(hk.Module):
  """Affine map of the channels.

  Weights start as a truncated normal of variance `init_scale` / fan-in
  (2103.03206 appendix C), or at zero where `init_scale` is 0; biases at zero.
  Those of the released models outside of blocks have `TRUNCATED_VARIANCE`.
  """

  channels: int
  init_scale: float = 1.0
  name: str | None = None

  def __call__(self, x: Float[Array, "*B C"]) -> Float[Array, "*B D"]:
    return self.weights(x.shape[-1])(x)

  @hk.name_like("__call__")
  def weights(self, input_channels: int) -> LinearWeights:
    """Returns the parameters, for code that applies them in its own order."""
    init = (
      hk.initializers.VarianceScaling(self.init_scale)
      if self.init_scale
      else jnp.zeros
    )
    return LinearWeights(
      w=hk.get_parameter("w", [input_channels, self.channels], init=init),
      b=hk.get_parameter("b", [self.channels], init=jnp.zeros),
    )


@dataclasses.dataclass
class LayerNorm(hk.Module):
  """Layer norm over the channels with scale and offset, epsilon 1e-5."""

  name: str | None = None

  def __call__(self, x: Float[Array, "*B C"]) -> Float[Array, "*B C"]:
    return self.weights(x.shape[-1])(x)

  @hk.name_like("__call__")
  def weights(self, channels: int) -> NormWeights:
    """Returns the parameters, for code that folds them into a projection."""
    return NormWeights(
      scale=hk.get_parameter("scale", [channels], init=jnp.ones),
      offset=hk.get_parameter("offset", [channels], init=jnp.zeros),
    )


class MlpWeights(NamedTuple):
  """Two linear maps with a GELU between them."""

  hidden: LinearWeights
  output: LinearWeights

  def __call__(
    self, x: Float[Array, "*B D"], exact_gelu: bool = False
  ) -> Float[Array, "*B D"]:
    """Applies the MLP to every position."""
    return self.output(jax.nn.gelu(self.hidden(x), not exact_gelu))


@dataclasses.dataclass
class Mlp(hk.Module):
  """The parameters of a two-layer MLP, `widening` times as wide inside."""

  widening: int = 1
  exact_gelu: bool = False
  name: str | None = None

  def __call__(self, x: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
    return self.weights(x.shape[-1])(x, self.exact_gelu)

  @hk.name_like("__call__")
  def weights(self, channels: int) -> MlpWeights:
    """Returns the parameters for `channels` channels in and out."""
    width = channels * self.widening
    return MlpWeights(
      hidden=Linear(width, name="hidden").weights(channels),
      output=Linear(channels, name="output").weights(width),
    )
