"""Series of values at any times, to a class or to values at other times.

An example is {"values": float [B, M, channels], "times": [B, M]}: any number of
values, in any order, at times that need no common grid. The Perceiver's papers
have no such task; the network is that of POYO (2310.16046) in its main points:
rotary times, latents that have times, queries at any times.
"""

import dataclasses
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32, Real

from perceiver import bounds
from perceiver import continuous_time
from perceiver import layers
from perceiver import model
from perceiver.adapters import checks


@dataclasses.dataclass(frozen=True, kw_only=True)
class _SeriesConfig(continuous_time.ContinuousTimeConfig):
  """The values of series, and the network.

  Attributes:
    value_channels: channels of the values.
    mean: of each channel of the training values, which is subtracted; () for
      zeros.
    stddev: of each channel, by which values are divided; () for ones.
    num_inputs: values of an example for counting operations; the model takes
      any number.
    precision: the dtype of activations.
  """

  value_channels: int
  mean: tuple[float, ...] = ()
  stddev: tuple[float, ...] = ()
  num_inputs: int = 1024
  precision: model.Precision = model.Precision.FLOAT32

  def __post_init__(self) -> None:
    super().__post_init__()
    bounds.check_ranges(self, "value_channels", "num_inputs")
    for name in ("mean", "stddev"):
      found = len(getattr(self, name))
      if found not in (0, self.value_channels):
        raise ValueError(
          f"{type(self).__name__}: {name} has {found} numbers; expected "
          f"{self.value_channels}, one for each channel, or none."
        )
    if self.stddev:
      bounds.check_ranges(self, stddev="(0, inf)")

  def _example(self, batch_size: int) -> dict[str, jax.ShapeDtypeStruct]:
    shape = batch_size, self.num_inputs
    return {
      "values": jax.ShapeDtypeStruct(
        (*shape, self.value_channels), jnp.float32
      ),
      "times": jax.ShapeDtypeStruct(shape, jnp.float32),
    }

  def scales(self) -> tuple[Float32[Array, "C"], Float32[Array, "C"]]:
    """Returns mean and deviation of each channel."""
    mean = self.mean or (0.0,) * self.value_channels
    stddev = self.stddev or (1.0,) * self.value_channels
    return jnp.asarray(mean, jnp.float32), jnp.asarray(stddev, jnp.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesClassifierConfig(_SeriesConfig):
  """A classifier of series; output channels are the classes."""

  @property
  def num_classes(self) -> int:
    """The number of classes."""
    return self.output_channels

  def with_num_classes(self, count: int) -> "SeriesClassifierConfig":
    """Returns the configuration with another number of classes."""
    return dataclasses.replace(self, output_channels=count)

  def network(self, is_training: bool = False) -> "SeriesClassifier":
    """Returns the Haiku module."""
    return SeriesClassifier(self, is_training, name="series_classifier")

  def example(self, batch_size: int = 1) -> tuple[Any]:
    """Returns shapes and dtypes of the examples."""
    return (self._example(batch_size),)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesRegressorConfig(_SeriesConfig):
  """A model that gives the values of a series at other times.

  Attributes:
    num_queries: times of an example for counting operations; the model takes
      any number.
  """

  num_queries: int = 1024

  def __post_init__(self) -> None:
    super().__post_init__()
    bounds.check_ranges(self, "num_queries")
    if self.output_channels != self.value_channels:
      raise ValueError(
        f"SeriesRegressorConfig: output_channels is {self.output_channels}; "
        f"expected value_channels, {self.value_channels}."
      )

  def network(self, is_training: bool = False) -> "SeriesRegressor":
    """Returns the Haiku module."""
    return SeriesRegressor(self, is_training, name="series_regressor")

  def example(
    self, batch_size: int = 1
  ) -> tuple[dict[str, jax.ShapeDtypeStruct], jax.ShapeDtypeStruct]:
    """Returns shapes and dtypes of the examples, and of the times asked for."""
    queries = (batch_size, self.num_queries)
    return (
      self._example(batch_size),
      jax.ShapeDtypeStruct(queries, jnp.float32),
    )


@dataclasses.dataclass
class _Series(hk.Module):
  """Series to latents that have times."""

  config: Any
  is_training: bool = False
  name: str | None = None

  @hk.name_like("__call__")
  def encode(
    self,
    examples: dict[str, checks.Unchecked],
    mask: checks.Unchecked | None = None,  # [B, M] bool
  ) -> Float[Array, "B N D"]:
    """Returns the latents of series; their times are `config.latent_times`.

    Args:
      examples: values and times; what is masked may be anything.
      mask: False where there is no value.
    """
    return self._encode(examples, mask)[0]

  @hk.name_like("__call__")
  def _encode(
    self,
    examples: dict[str, checks.Unchecked],
    mask: checks.Unchecked | None,
  ) -> tuple[Float[Array, "B N D"], Float[Array, "B N"], Float[Array, "B 1"]]:
    """Returns latents, their times from the first input's on, and that time.

    Differences of times are exact then, where the times are.
    """
    cfg = self.config
    values, times = _checked(cfg, examples, mask)
    mean, stddev = cfg.scales()
    scaled = ((values - mean) / stddev).astype(cfg.precision.dtype)
    if mask is not None:
      scaled = jnp.where(mask[..., None], scaled, 0)
    inputs = layers.Linear(cfg.input_channels, name="inputs")(scaled)
    origin, _ = continuous_time.span(times, mask)
    times -= origin
    latent_times = cfg.latent_times(times, mask)
    latents = self._network().encode(inputs, times, latent_times, mask=mask)
    return latents, latent_times, origin

  @hk.name_like("__call__")
  def _network(self) -> continuous_time.ContinuousTime:
    return continuous_time.ContinuousTime(
      self.config, self.is_training, name="perceiver"
    )


@dataclasses.dataclass
class SeriesClassifier(_Series):
  """Series to logits."""

  config: SeriesClassifierConfig

  def __call__(
    self,
    examples: dict[str, checks.Unchecked],
    mask: checks.Unchecked | None = None,  # [B, M] bool
  ) -> Float32[Array, "B classes"]:
    """Returns logits, float32.

    Args:
      examples: values and times; what is masked may be anything.
      mask: False where there is no value.
    """
    latents, latent_times, _ = self._encode(examples, mask)
    return self.decode(latents, latent_times)

  @hk.name_like("__call__")
  def decode(
    self, latents: Float[Array, "B N D"], latent_times: Real[Array, "B N"]
  ) -> Float32[Array, "B classes"]:
    """Returns logits, float32, of latents, asked for at their mean time."""
    middle = jnp.mean(latent_times, axis=1, keepdims=True)  # [B, 1]
    logits = self._network().decode(latents, latent_times, middle)
    return logits[:, 0].astype(jnp.float32)


@dataclasses.dataclass
class SeriesRegressor(_Series):
  """Series to values at other times."""

  config: SeriesRegressorConfig

  def __call__(
    self,
    examples: dict[str, checks.Unchecked],
    queries: checks.Unchecked,  # [B, O] real
    mask: checks.Unchecked | None = None,  # [B, M] bool
  ) -> Float32[Array, "B O channels"]:
    """Returns the values at any times, float32, in their own unit.

    Args:
      examples: values and times; what is masked may be anything.
      queries: the times of the results, in any order.
      mask: False where there is no value.
    """
    checks.reals("Series queries", queries, ("queries",))
    latents, latent_times, origin = self._encode(examples, mask)
    return self.decode(latents, latent_times, queries - origin)

  @hk.name_like("__call__")
  def decode(
    self,
    latents: Float[Array, "B N D"],
    latent_times: Real[Array, "B N"],
    queries: checks.Unchecked,  # [B, O] real
  ) -> Float32[Array, "B O channels"]:
    """Returns the values at any times, float32, in their own unit."""
    checks.reals("Series queries", queries, ("queries",))
    found = self._network().decode(latents, latent_times, queries)
    mean, stddev = self.config.scales()
    return found.astype(jnp.float32) * stddev + mean


def _checked(
  config: _SeriesConfig,
  examples: dict[str, checks.Unchecked],
  mask: checks.Unchecked | None,
) -> tuple[Float[Array, "B M C"], Real[Array, "B M"]]:
  """Returns values and times, once they are known to fit."""
  values, times = examples["values"], examples["times"]
  checks.floats("Series", values, ("inputs", config.value_channels))
  checks.reals("Series times", times, (values.shape[1],))
  if mask is not None:
    checks.flags("Series", mask, times.shape)
  return values, times
