"""Image classifiers: every published ImageNet configuration of both papers.

Sources: 2103.03206 tables 1, 2, 5, 6, 7 and figure 5; 2107.14795 tables 7 and 8
and appendix A. Parameter counts and operations of each are pinned in
`tests/perceiver/models/test_imagenet.py`.
"""

import dataclasses
import functools

from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import network as perceiver_network
from perceiver import position_encoding
from perceiver import processor
from perceiver.adapters import image
from perceiver.models import classifier


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageClassifierConfig(classifier.ClassifierConfig):
  """A classifier of normalised images, [B, H, W, C].

  Attributes:
    inputs: size of the images, features and positions.
  """

  inputs: image.ImageInputConfig

  def resizable_tables(self) -> dict[str, tuple[int, ...]]:
    """Returns the grids of learned positions by the module that holds them."""
    tables = self.inputs.resizable_tables()
    return {f"classifier/image_input/{k}": grid for k, grid in tables.items()}


# --------------------------------------------------------------------- inputs

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

# ------------------------------------------------------------------- networks

_QUERY_DECODER = decoder.DecoderConfig(
  query_channels=1024, output_channels=1000
)
_MEAN_DECODER = decoder.MeanDecoderConfig(output_channels=1000)
_CROSS_ATTENTION = blocks.CrossAttentionConfig()
_SELF_ATTENTION = blocks.SelfAttentionConfig()


def image_classifier(
  inputs: image.ImageInputConfig,
  decoding: decoder.DecoderConfig | decoder.MeanDecoderConfig,
  *,
  num_latents: int = 512,
  latent_channels: int = 1024,
  num_cross_attends: int = 1,
  arrangement: encoder.Arrangement = encoder.Arrangement.INTERLEAVED,
  num_blocks: int = 8,
  num_self_attends_per_block: int = 6,
  cross_attention: blocks.CrossAttentionConfig = _CROSS_ATTENTION,
  self_attention: blocks.SelfAttentionConfig = _SELF_ATTENTION,
  share_weights: bool = True,
) -> ImageClassifierConfig:
  """Returns a classifier of the papers' base size, but for what is given."""
  return ImageClassifierConfig(
    inputs=inputs,
    perceiver=perceiver_network.PerceiverConfig(
      encoder=encoder.EncoderConfig(
        input_channels=inputs.input_channels,
        num_latents=num_latents,
        latent_channels=latent_channels,
        num_cross_attends=num_cross_attends,
        arrangement=arrangement,
        cross_attention=cross_attention,
      ),
      processor=processor.ProcessorConfig(
        channels=latent_channels,
        num_self_attends_per_block=num_self_attends_per_block,
        num_blocks=num_blocks,
        self_attention=self_attention,
      ),
      decoder=decoding,
      share_weights=share_weights,
    ),
  )


def _large(
  inputs: image.ImageInputConfig, num_classes: int = 1000
) -> ImageClassifierConfig:
  """Returns configuration B: 16 layers, none shared, with MLPs 4 times wide."""
  decoding = dataclasses.replace(_QUERY_DECODER, output_channels=num_classes)
  return image_classifier(
    inputs,
    decoding,
    num_blocks=1,
    num_self_attends_per_block=16,
    self_attention=blocks.SelfAttentionConfig(mlp_widening=4),
  )


# ------------------------------------------------------------- Perceiver IO

FOURIER = image_classifier(_PIXELS_FOURIER, _QUERY_DECODER)
LEARNED = image_classifier(
  _CONV1X1_LEARNED,
  dataclasses.replace(
    _QUERY_DECODER,
    cross_attention=blocks.CrossAttentionConfig(query_residual=False),
  ),
)
CONV = image_classifier(_CONV_FOURIER, _QUERY_DECODER)

# Configuration B. Its pre-training had about 18,000 classes (appendix A.2);
# table 7's 212 M parameters are those of fine-tuning on 1,000.
NUM_PRETRAINING_CLASSES = 18_000
_pretraining = functools.partial(_large, num_classes=NUM_PRETRAINING_CLASSES)

# --------------------------------------------------------- Perceiver of 2021

_of_2021 = functools.partial(image_classifier, _PIXELS_FOURIER, _MEAN_DECODER)
PERCEIVER = _of_2021(num_cross_attends=8)
_AT_START = encoder.Arrangement.AT_START


def _cross_attends_only(number: int) -> ImageClassifierConfig:
  """Returns a model without self-attention (2103.03206 table 5)."""
  return _of_2021(
    num_cross_attends=number,
    num_blocks=number,
    num_self_attends_per_block=0,
    share_weights=False,
  )


# The smaller model that 2103.03206 figure 5 varies.
_SWEEP_BASE = _of_2021(
  num_cross_attends=2,
  num_blocks=2,
  num_self_attends_per_block=4,
  latent_channels=512,
  share_weights=False,
)

CONFIGS: dict[str, ImageClassifierConfig] = {
  # Perceiver IO, configuration A: trained on ImageNet alone.
  "imagenet_fourier": FOURIER,
  "imagenet_learned": LEARNED,
  "imagenet_conv": CONV,
  # Perceiver IO, configuration B: pre-trained on JFT.
  "imagenet_large_fourier": _large(_PIXELS_FOURIER),
  "imagenet_large_projected": _large(_PROJECTED_FOURIER),
  "imagenet_large_conv": _large(_CONV_FOURIER),
  "imagenet_large_fourier_pretraining": _pretraining(_PIXELS_FOURIER),
  "imagenet_large_projected_pretraining": _pretraining(_PROJECTED_FOURIER),
  "imagenet_large_conv_pretraining": _pretraining(_CONV_FOURIER),
  # The Perceiver of 2021: best model, then tables 6, 7 and 5.
  "perceiver_imagenet": PERCEIVER,
  "perceiver_imagenet_1_cross_attend": _of_2021(),
  "perceiver_imagenet_2_cross_attends": _of_2021(num_cross_attends=2),
  "perceiver_imagenet_4_cross_attends": _of_2021(num_cross_attends=4),
  "perceiver_imagenet_2_cross_attends_at_start": _of_2021(
    num_cross_attends=2, arrangement=_AT_START
  ),
  "perceiver_imagenet_4_cross_attends_at_start": _of_2021(
    num_cross_attends=4, arrangement=_AT_START
  ),
  "perceiver_imagenet_8_cross_attends_at_start": _of_2021(
    num_cross_attends=8, arrangement=_AT_START
  ),
  "perceiver_imagenet_unshared": _of_2021(
    num_cross_attends=8, share_weights=False
  ),
  "perceiver_imagenet_4_cross_attends_only": _cross_attends_only(4),
  "perceiver_imagenet_8_cross_attends_only": _cross_attends_only(8),
  "perceiver_imagenet_12_cross_attends_only": _cross_attends_only(12),
  "perceiver_imagenet_sweep_base": _SWEEP_BASE,
  "perceiver_imagenet_learned": image_classifier(
    _PIXELS_LEARNED, _MEAN_DECODER
  ),
  # The same network under the training of 2107.14795 (its table 7).
  "perceiver_imagenet_1_cross_attend_learned": image_classifier(
    _CONV1X1_LEARNED, _MEAN_DECODER
  ),
  "perceiver_imagenet_1_cross_attend_conv": image_classifier(
    _CONV_FOURIER, _MEAN_DECODER
  ),
}
