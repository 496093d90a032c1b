"""Classifiers of point clouds: ModelNet40 (2103.03206 §4.3).

Points are encoded with frequencies far above those of images: up to 1,120, ten
times as high. The paper does not say whether weights are shared; both are here.
"""

import dataclasses

import haiku as hk
import jax
import jax.numpy as jnp

from perceiver import decoder
from perceiver import encoder
from perceiver import model
from perceiver import network as perceiver_network
from perceiver import position_encoding
from perceiver import processor
from perceiver import queries
from perceiver.adapters import checks
from perceiver.adapters import points as adapters_points

Array = jax.Array

NUM_CLASSES = 40


@dataclasses.dataclass(frozen=True, kw_only=True)
class PointClassifierConfig:
  """A Perceiver that gives one vector of logits per cloud of points.

  Attributes:
    points: how points become inputs.
    perceiver: the network; its decoder's output channels are the classes.
    num_points: points of an example for counting operations; the model takes
      any number.
    precision: what activations are computed in; positions are float32 always.
  """

  points: adapters_points.PointInputConfig
  perceiver: perceiver_network.PerceiverConfig
  num_points: int = 2000
  precision: model.Precision = model.Precision.FLOAT32

  def __post_init__(self) -> None:
    expected = self.points.input_channels
    if self.perceiver.encoder.input_channels != expected:
      raise ValueError(
        f"Encoder: input_channels is {self.perceiver.encoder.input_channels}; "
        f"expected {expected}, those of a point's position code."
      )
    if self.perceiver.decoder.output_channels is None or self.num_points < 1:
      raise ValueError(
        "Point classifier: the decoder's output_channels is "
        f"{self.perceiver.decoder.output_channels} and num_points "
        f"{self.num_points}; expected the number of classes, and at least 1."
      )

  @property
  def num_classes(self) -> int:
    """The number of classes."""
    return self.perceiver.decoder.output_channels or 0

  def network(self, is_training: bool = False) -> "PointClassifier":
    """Returns the Haiku module."""
    return PointClassifier(self, is_training, name="classifier")

  def example(self, batch_size: int = 1) -> tuple[jax.ShapeDtypeStruct]:
    """Returns shape and dtype of the points, [B, P, 3] float32."""
    shape = (batch_size, self.num_points, self.points.num_axes)
    return (jax.ShapeDtypeStruct(shape, jnp.float32),)

  def textbook(self) -> "PointClassifierConfig":
    """Returns the same model computed without shortcuts."""
    return dataclasses.replace(
      self, perceiver=perceiver_network.textbook(self.perceiver)
    )


@dataclasses.dataclass
class PointClassifier(hk.Module):
  """Points to logits."""

  config: PointClassifierConfig
  is_training: bool = False
  name: str | None = None

  def __call__(self, points: Array, mask: Array | None = None) -> Array:
    """Returns logits [B, classes] of points.

    Args:
      points: [B, P, 3], any number, zero-centred and within [-1, 1].
      mask: [B, P] bool, which of them are there; all if None.
    """
    return self.decode(self.encode(points, mask))

  @hk.name_like("__call__")
  def encode(self, points: Array, mask: Array | None = None) -> Array:
    """Returns latents [B, N, D] of points [B, P, 3]."""
    inputs, mask = self._inputs(points, mask)
    return self._network().encode(inputs, input_mask=mask)

  @hk.name_like("__call__")
  def decode(self, latents: Array) -> Array:
    """Returns logits [B, classes], float32, of latents [B, N, D]."""
    config = self.config.perceiver.decoder
    asked = None
    if isinstance(config, decoder.DecoderConfig):
      (query,) = queries.learned(1, config.query_channels)
      asked = (query.astype(latents.dtype),)
    logits = self._network().decode(latents, asked)  # [B, 1, classes]
    return logits[:, 0].astype(jnp.float32)

  @hk.name_like("__call__")
  def attention_map(self, points: Array, mask: Array | None = None) -> Array:
    """Returns where the first read's latents look, [B, H, N, P]."""
    inputs, mask = self._inputs(points, mask)
    return self._network().attention_map(inputs, input_mask=mask)

  @hk.name_like("__call__")
  def _network(self) -> perceiver_network.Perceiver:
    return perceiver_network.Perceiver(
      self.config.perceiver, self.is_training, name="perceiver"
    )

  def _inputs(
    self, points: Array, mask: Array | None
  ) -> tuple[tuple[Array, ...], Array | None]:
    parts = adapters_points.encode(self.config.points, points)
    if mask is not None:
      checks.flags("Point input", mask, points.shape[:2])
      # What a missing point holds must not matter, even if it is no number.
      parts = tuple(jnp.where(mask[..., None], part, 0) for part in parts)
    dtype = self.config.precision.dtype
    return tuple(part.astype(dtype) for part in parts), mask


_MAX_FREQUENCY = 1120

POINTS = adapters_points.PointInputConfig(
  positions=position_encoding.Fourier(
    num_bands=64, max_resolution=(2 * _MAX_FREQUENCY,) * 3
  )
)


def _classifier(share_weights: bool) -> PointClassifierConfig:
  """Returns the model with two cross-attends and six layers after each."""
  return PointClassifierConfig(
    points=POINTS,
    perceiver=perceiver_network.PerceiverConfig(
      encoder=encoder.EncoderConfig(
        input_channels=POINTS.input_channels,
        num_latents=512,
        latent_channels=1024,
        num_cross_attends=2,
      ),
      processor=processor.ProcessorConfig(
        channels=1024, num_self_attends_per_block=6, num_blocks=2, num_heads=8
      ),
      decoder=decoder.MeanDecoderConfig(output_channels=NUM_CLASSES),
      share_weights=share_weights,
    ),
  )


CONFIGS: dict[str, PointClassifierConfig] = {
  "perceiver_modelnet40": _classifier(share_weights=True),
  "perceiver_modelnet40_unshared": _classifier(share_weights=False),
}
