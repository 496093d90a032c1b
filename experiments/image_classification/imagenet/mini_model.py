"""The model of `imagenet --mini`."""

from experiments.image_classification.imagenet import painted_digits
from perceiver import blocks
from perceiver import decoder
from perceiver import position_encoding
from perceiver.adapters import image
from perceiver.models import imagenet

CONFIG = imagenet.image_classifier(
  image.ImageInputConfig(
    size=(64, 64),
    features=image.ConvPool(num_channels=32),
    positions=position_encoding.Fourier(num_bands=8, max_resolution=(16, 16)),
  ),
  decoder.DecoderConfig(
    query_channels=64, output_channels=painted_digits.NUM_CLASSES
  ),
  num_latents=32,
  latent_channels=64,
  num_blocks=2,
  num_self_attends_per_block=3,
  self_attention=blocks.SelfAttentionConfig(num_heads=4),
)
