"""Image classifiers: every published ImageNet configuration of both papers.

Sources: 2103.03206 tables 1, 2, 5, 6, 7 and figure 5; 2107.14795 tables 7 and 8
and appendix A. Parameter counts and operations of each are pinned in
`tests/perceiver/models/test_imagenet.py`.
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
from perceiver.adapters import image
from perceiver.attention import blockwise

Array = jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageClassifierConfig:
  """A Perceiver that gives one vector of logits per image.

  Attributes:
    image: what is seen of the images.
    perceiver: the network; its decoder's output channels are the classes.
    precision: what activations are computed in.
  """

  image: image.ImageInputConfig
  perceiver: perceiver_network.PerceiverConfig
  precision: model.Precision = model.Precision.FLOAT32

  def __post_init__(self) -> None:
    expected = self.image.input_channels
    if self.perceiver.encoder.input_channels != expected:
      raise ValueError(
        f"Encoder: input_channels is {self.perceiver.encoder.input_channels}; "
        f"expected {expected}, which pixels and positions make together."
      )
    if self.perceiver.decoder.output_channels is None:
      raise ValueError(
        "Decoder: output_channels is None; expected the number of classes."
      )

  @property
  def num_classes(self) -> int:
    """The number of classes."""
    return self.perceiver.decoder.output_channels or 0

  def network(self, is_training: bool = False) -> "ImageClassifier":
    """Returns the Haiku module."""
    return ImageClassifier(self, is_training, name="classifier")

  def example(self, batch_size: int = 1) -> tuple[jax.ShapeDtypeStruct]:
    """Returns shape and dtype of the images, [B, H, W, C] float32."""
    shape = (batch_size, *self.image.size, self.image.channels)
    return (jax.ShapeDtypeStruct(shape, jnp.float32),)

  def textbook(self) -> "ImageClassifierConfig":
    """Returns the same model computed without shortcuts."""
    return dataclasses.replace(
      self, perceiver=perceiver_network.textbook(self.perceiver)
    )


@dataclasses.dataclass
class ImageClassifier(hk.Module):
  """Images to logits."""

  config: ImageClassifierConfig
  is_training: bool = False
  name: str | None = None

  def __call__(self, images: Array) -> Array:
    """Returns logits [B, classes] of normalised images [B, H, W, 3]."""
    return self.decode(self.encode(images))

  @hk.name_like("__call__")
  def encode(self, images: Array) -> Array:
    """Returns latents [B, N, D] of normalised images [B, H, W, 3]."""
    return self._network().encode(self._inputs(images))

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
  def attention_map(self, images: Array) -> Array:
    """Returns where the first read's latents look, [B, H, N, M]."""
    return self._network().attention_map(self._inputs(images))

  @hk.name_like("__call__")
  def _network(self) -> perceiver_network.Perceiver:
    return perceiver_network.Perceiver(
      self.config.perceiver, self.is_training, name="perceiver"
    )

  @hk.name_like("__call__")
  def _inputs(self, images: Array) -> blockwise.Parts:
    parts = image.ImageInput(
      self.config.image, self.is_training, name="image_input"
    )(images)
    return tuple(part.astype(self.config.precision.dtype) for part in parts)


# ---------------------------------------------------------------- what is seen

_SIZE = (224, 224)

_PIXELS_FOURIER = image.ImageInputConfig(
  size=_SIZE,
  positions=position_encoding.Fourier(num_bands=64, max_resolution=_SIZE),
)
_PROJECTED_FOURIER = dataclasses.replace(
  _PIXELS_FOURIER, features=image.Conv1x1(num_channels=256)
)
_CONV_FOURIER = image.ImageInputConfig(
  size=_SIZE,
  features=image.ConvPool(num_channels=64),
  positions=position_encoding.Fourier(num_bands=64, max_resolution=(56, 56)),
)
_CONV1X1_LEARNED = image.ImageInputConfig(
  size=_SIZE,
  features=image.Conv1x1(num_channels=256),
  positions=position_encoding.Projected(
    encoding=position_encoding.Learned(channels=256), channels=256
  ),
)
# 2103.03206 §4.1: 128 channels, and a standard deviation of 1 worked best.
_PIXELS_LEARNED = image.ImageInputConfig(
  size=_SIZE,
  positions=position_encoding.Learned(channels=128, init_scale=1.0),
)

# ----------------------------------------------------------------- how it works

_QUERY_DECODER = decoder.DecoderConfig(
  query_channels=1024, output_channels=1000
)
_MEAN_DECODER = decoder.MeanDecoderConfig(output_channels=1000)


def _classifier(
  seen: image.ImageInputConfig,
  decoding: decoder.DecoderConfig | decoder.MeanDecoderConfig,
  *,
  num_cross_attends: int = 1,
  arrangement: encoder.Arrangement = encoder.Arrangement.INTERLEAVED,
  num_blocks: int = 8,
  num_self_attends_per_block: int = 6,
  mlp_widening: int = 1,
  share_weights: bool = True,
) -> ImageClassifierConfig:
  """Returns a classifier of the papers' base size, but for what is given."""
  return ImageClassifierConfig(
    image=seen,
    perceiver=perceiver_network.PerceiverConfig(
      encoder=encoder.EncoderConfig(
        input_channels=seen.input_channels,
        num_latents=512,
        latent_channels=1024,
        num_cross_attends=num_cross_attends,
        arrangement=arrangement,
      ),
      processor=processor.ProcessorConfig(
        channels=1024,
        num_self_attends_per_block=num_self_attends_per_block,
        num_blocks=num_blocks,
        num_heads=8,
        mlp_widening=mlp_widening,
      ),
      decoder=decoding,
      share_weights=share_weights,
    ),
  )


def _large(
  seen: image.ImageInputConfig, num_classes: int
) -> ImageClassifierConfig:
  """Returns configuration B: 16 layers, none shared, with MLPs 4 times wide."""
  decoding = dataclasses.replace(_QUERY_DECODER, output_channels=num_classes)
  return _classifier(
    seen, decoding, num_blocks=1, num_self_attends_per_block=16, mlp_widening=4
  )


# ------------------------------------------------------------- Perceiver IO

FOURIER = _classifier(_PIXELS_FOURIER, _QUERY_DECODER)
LEARNED = _classifier(
  _CONV1X1_LEARNED, dataclasses.replace(_QUERY_DECODER, query_residual=False)
)
CONV = _classifier(_CONV_FOURIER, _QUERY_DECODER)

# Configuration B. Its pre-training had about 18,000 classes (appendix A.2);
# table 7's 212 M parameters are those of fine-tuning on 1,000.
NUM_PRETRAINING_CLASSES = 18_000
LARGE_FOURIER = _large(_PIXELS_FOURIER, 1000)
LARGE_PROJECTED = _large(_PROJECTED_FOURIER, 1000)
LARGE_CONV = _large(_CONV_FOURIER, 1000)

# --------------------------------------------------------- Perceiver of 2021

PERCEIVER = _classifier(_PIXELS_FOURIER, _MEAN_DECODER, num_cross_attends=8)

_AT_START = encoder.Arrangement.AT_START


def _cross_attends_only(number: int) -> ImageClassifierConfig:
  """Returns a model without self-attention (2103.03206 table 7)."""
  return _classifier(
    _PIXELS_FOURIER,
    _MEAN_DECODER,
    num_cross_attends=number,
    num_blocks=number,
    num_self_attends_per_block=0,
    share_weights=False,
  )


def _sweep_base() -> ImageClassifierConfig:
  """Returns the smaller model that 2103.03206 figure 5 varies."""
  base = _classifier(
    _PIXELS_FOURIER,
    _MEAN_DECODER,
    num_cross_attends=2,
    num_blocks=2,
    num_self_attends_per_block=4,
    share_weights=False,
  )
  network = dataclasses.replace(
    base.perceiver,
    encoder=dataclasses.replace(base.perceiver.encoder, latent_channels=512),
    processor=dataclasses.replace(base.perceiver.processor, channels=512),
  )
  return dataclasses.replace(base, perceiver=network)


CONFIGS: dict[str, ImageClassifierConfig] = {
  # Perceiver IO, configuration A: trained on ImageNet alone.
  "imagenet_fourier": FOURIER,
  "imagenet_learned": LEARNED,
  "imagenet_conv": CONV,
  # Perceiver IO, configuration B: pre-trained on JFT.
  "imagenet_large_fourier": LARGE_FOURIER,
  "imagenet_large_projected": LARGE_PROJECTED,
  "imagenet_large_conv": LARGE_CONV,
  "imagenet_large_fourier_pretraining": _large(
    _PIXELS_FOURIER, NUM_PRETRAINING_CLASSES
  ),
  "imagenet_large_projected_pretraining": _large(
    _PROJECTED_FOURIER, NUM_PRETRAINING_CLASSES
  ),
  "imagenet_large_conv_pretraining": _large(
    _CONV_FOURIER, NUM_PRETRAINING_CLASSES
  ),
  # The Perceiver of 2021: best model, then tables 6, 7 and 5.
  "perceiver_imagenet": PERCEIVER,
  "perceiver_imagenet_1_cross_attend": _classifier(
    _PIXELS_FOURIER, _MEAN_DECODER
  ),
  "perceiver_imagenet_2_cross_attends": _classifier(
    _PIXELS_FOURIER, _MEAN_DECODER, num_cross_attends=2
  ),
  "perceiver_imagenet_4_cross_attends": _classifier(
    _PIXELS_FOURIER, _MEAN_DECODER, num_cross_attends=4
  ),
  "perceiver_imagenet_2_cross_attends_at_start": _classifier(
    _PIXELS_FOURIER, _MEAN_DECODER, num_cross_attends=2, arrangement=_AT_START
  ),
  "perceiver_imagenet_4_cross_attends_at_start": _classifier(
    _PIXELS_FOURIER, _MEAN_DECODER, num_cross_attends=4, arrangement=_AT_START
  ),
  "perceiver_imagenet_8_cross_attends_at_start": _classifier(
    _PIXELS_FOURIER, _MEAN_DECODER, num_cross_attends=8, arrangement=_AT_START
  ),
  "perceiver_imagenet_unshared": _classifier(
    _PIXELS_FOURIER, _MEAN_DECODER, num_cross_attends=8, share_weights=False
  ),
  "perceiver_imagenet_4_cross_attends_only": _cross_attends_only(4),
  "perceiver_imagenet_8_cross_attends_only": _cross_attends_only(8),
  "perceiver_imagenet_12_cross_attends_only": _cross_attends_only(12),
  "perceiver_imagenet_sweep_base": _sweep_base(),
  "perceiver_imagenet_learned": _classifier(_PIXELS_LEARNED, _MEAN_DECODER),
  # The same network under the training of 2107.14795 (its table 7).
  "perceiver_imagenet_1_cross_attend_learned": _classifier(
    _CONV1X1_LEARNED, _MEAN_DECODER
  ),
  "perceiver_imagenet_1_cross_attend_conv": _classifier(
    _CONV_FOURIER, _MEAN_DECODER
  ),
}
