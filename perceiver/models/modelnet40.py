"""Classifiers of point clouds: ModelNet40 (2103.03206 §4.3).

Points are encoded with frequencies far above those of images: up to 1,120, ten
times as high. The paper does not say whether weights are shared; both are here.
"""

import dataclasses

import jax

from perceiver import bounds
from perceiver import decoder
from perceiver import encoder
from perceiver import network as perceiver_network
from perceiver import position_encoding
from perceiver import processor
from perceiver.adapters import points as adapters_points
from perceiver.models import classifier

NUM_CLASSES = 40


@dataclasses.dataclass(frozen=True, kw_only=True)
class PointClassifierConfig(classifier.ClassifierConfig):
  """A classifier of clouds of points.

  Points are [B, P, 3], any number, zero-centred and within [-1, 1]; the mask,
  [B, P] bool, is False where a point is missing. Positions are computed in
  float32 whatever the precision.

  Attributes:
    inputs: the encoding of points.
    num_points: points of an example for counting operations; the model takes
      any number.
  """

  inputs: adapters_points.PointInputConfig
  num_points: int = 2000

  def __post_init__(self) -> None:
    super().__post_init__()
    bounds.check(self, "num_points")

  def example(self, batch_size: int = 1) -> tuple[jax.ShapeDtypeStruct]:
    """Returns shape and dtype of the points, [B, P, 3] float32."""
    return (self.inputs.example(batch_size, self.num_points),)


_MAX_FREQUENCY = 1120

POINTS = adapters_points.PointInputConfig(
  positions=position_encoding.Fourier(
    num_bands=64, max_resolution=(2 * _MAX_FREQUENCY,) * 3
  )
)


def _classifier(share_weights: bool) -> PointClassifierConfig:
  """Returns the model with two cross-attends and six layers after each."""
  return PointClassifierConfig(
    inputs=POINTS,
    perceiver=perceiver_network.PerceiverConfig(
      encoder=encoder.EncoderConfig(
        input_channels=POINTS.input_channels,
        num_latents=512,
        latent_channels=1024,
        num_cross_attends=2,
      ),
      processor=processor.ProcessorConfig(
        channels=1024,
        num_self_attends_per_block=6,
        num_blocks=2,
      ),
      decoder=decoder.MeanDecoderConfig(output_channels=NUM_CLASSES),
      share_weights=share_weights,
    ),
  )


CONFIGS: dict[str, PointClassifierConfig] = {
  "perceiver_modelnet40": _classifier(share_weights=True),
  "perceiver_modelnet40_unshared": _classifier(share_weights=False),
}
