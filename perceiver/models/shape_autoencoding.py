"""Autoencoders of shapes: points on a surface in, distances from it out.

Latents describe a shape. Queries are any points in space, and are decoded to
their distance from the surface, as in 3DShape2VecSet (2301.11445), whose
decoder is a cross-attention too. No configuration is published: the Perceiver's
papers have no such task.
"""

import dataclasses

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32

from perceiver import bounds
from perceiver import model
from perceiver import network as perceiver_network
from perceiver.adapters import checks
from perceiver.adapters import points as adapters_points
from perceiver.models import base


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShapeAutoencoderConfig:
  """A Perceiver IO from points on a surface to distances from it.

  Attributes:
    inputs: the encoding of points on the surface.
    queries: the encoding of the points that are decoded.
    perceiver: the network; its decoder has one output channel.
    num_points: points of an example for counting operations; the model takes
      any number of both kinds.
    precision: the dtype of activations; positions are encoded in float32.
  """

  inputs: adapters_points.PointInputConfig
  queries: adapters_points.PointInputConfig
  perceiver: perceiver_network.PerceiverConfig
  num_points: int = 2048
  precision: model.Precision = model.Precision.FLOAT32

  def __post_init__(self) -> None:
    bounds.check(self, "num_points")
    base.check_channels(
      self.perceiver, self.inputs.input_channels, self.queries.input_channels
    )
    found = self.perceiver.decoder.output_channels
    if found != 1:
      raise ValueError(f"Decoder: output_channels is {found}; expected 1.")

  def network(self, is_training: bool = False) -> "ShapeAutoencoder":
    """Returns the Haiku module."""
    return ShapeAutoencoder(self, is_training, name="shape_autoencoder")

  def example(
    self, batch_size: int = 1
  ) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    """Returns shape and dtype of points and queries, [B, P, 3] float32."""
    return (
      self.inputs.example(batch_size, self.num_points),
      self.queries.example(batch_size, self.num_points),
    )


@dataclasses.dataclass
class ShapeAutoencoder(base.AdaptedPerceiver):
  """Points on surfaces and queries to distances."""

  config: ShapeAutoencoderConfig

  def __call__(
    self,
    points: checks.Unchecked,  # [B, P, 3]
    queries: checks.Unchecked,  # [B, O, 3]
    mask: checks.Unchecked | None = None,  # [B, P] bool
  ) -> Float32[Array, "B O"]:
    """Returns the distance of every query from the surface, float32.

    Args:
      points: on the surface, in [-1, 1].
      queries: any points in [-1, 1].
      mask: False where a point is missing.
    """
    return self.decode(self.encode(points, mask), queries)

  @hk.name_like("__call__")
  def encode(
    self,
    points: checks.Unchecked,  # [B, P, 3]
    mask: checks.Unchecked | None = None,  # [B, P] bool
  ) -> Float[Array, "B N D"]:
    """Returns the latents of surfaces."""
    return super().encode(points, mask)

  @hk.name_like("__call__")
  def decode(
    self,
    latents: Float[Array, "B N D"],
    queries: checks.Unchecked,  # [B, O, 3]
  ) -> Float32[Array, "B O"]:
    """Returns the distance of every query from the surface, float32."""
    (codes,) = adapters_points.encode(self.config.queries, queries)
    decoded = self._network().decode(latents, (codes.astype(latents.dtype),))
    return decoded[..., 0].astype(jnp.float32)
