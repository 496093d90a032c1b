"""Mixtures of distributions as the output of a regression.

A single vector has neither an uncertainty nor alternatives. A mixture has
weights, means and scales (mixture density networks, Bishop 1994); the model is
trained by the negative logarithm of the density of the true values, and its
estimate is the expected value.
"""

import dataclasses
import enum
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32

from perceiver import bounds

# Logarithms of scales that a network can give; beyond them densities overflow.
_LOG_SCALES = (-7.0, 7.0)


class Kind(enum.Enum):
  """The distribution of a component, whose axes are independent.

  LAPLACE has the density exp(−|x − m| / s) / 2s, GAUSSIAN that of the normal
  distribution with mean m and standard deviation s.
  """

  LAPLACE = "laplace"
  GAUSSIAN = "gaussian"


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixtureConfig:
  """A mixture.

  Attributes:
    num_components: of the mixture; 0 for none, a plain vector.
    kind: the distribution of each.
  """

  num_components: int = 0
  kind: Kind = Kind.LAPLACE

  def __post_init__(self) -> None:
    bounds.check(self, num_components="[0, inf)")

  def channels(self, num_axes: int) -> int:
    """Returns the output channels of a network for vectors of so many axes."""
    return self.num_components * (1 + 2 * num_axes) or num_axes


class Mixture(NamedTuple):
  """Mixtures, one for each output.

  Attributes:
    log_weights: logarithms of the weights, which sum to one.
    means: of the components.
    log_scales: logarithms of their scales, in the units of the means.
  """

  log_weights: Float32[Array, "*B K"]
  means: Float32[Array, "*B K D"]
  log_scales: Float32[Array, "*B K D"]


def split(
  config: MixtureConfig, outputs: Float[Array, "*B F"], unit: float = 1.0
) -> Mixture:
  """Returns the mixtures that a network's outputs are.

  Of outputs that are zero, scales are 1, e, e² and so on: components that begin
  alike would stay alike.

  Args:
    config: of the mixtures.
    outputs: `config.channels(D)` of each.
    unit: of the network's means; scales are exponentials.
  """
  outputs = outputs.astype(jnp.float32)
  count = config.num_components
  weights, rest = outputs[..., :count], outputs[..., count:]
  shape = (*rest.shape[:-1], count, rest.shape[-1] // count)
  rest = rest.reshape(shape)  # [*B, K, 2·D]
  means, log_scales = jnp.split(rest, 2, axis=-1)
  log_scales += jnp.arange(count, dtype=jnp.float32)[:, None]
  return Mixture(
    jax.nn.log_softmax(weights),
    unit * means,
    jnp.clip(log_scales, *_LOG_SCALES),
  )


def expected(mixture: Mixture) -> Float32[Array, "*B D"]:
  """Returns the expected values."""
  weights = jnp.exp(mixture.log_weights)[..., None]
  return jnp.sum(weights * mixture.means, axis=-2)


def negative_log_likelihood(
  config: MixtureConfig, mixture: Mixture, values: Float[Array, "*B D"]
) -> Float32[Array, "*B"]:
  """Returns −log of the density at values, nats."""
  off = values[..., None, :] - mixture.means  # [*B, K, D]
  scaled = off * jnp.exp(-mixture.log_scales)
  if config.kind is Kind.LAPLACE:
    logs = -jnp.abs(scaled) - math.log(2)
  else:
    logs = -(scaled**2) / 2 - math.log(2 * math.pi) / 2
  logs = jnp.sum(logs - mixture.log_scales, axis=-1)  # [*B, K]
  return -jax.nn.logsumexp(mixture.log_weights + logs, axis=-1)
