"""Tiny classifiers of point clouds."""

from experiments.point_clouds import baselines
from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import network
from perceiver import position_encoding
from perceiver import processor
from perceiver.adapters import points
from perceiver.models import modelnet40

NUM_POINTS = 32
INPUT = points.PointInputConfig(
  positions=position_encoding.Fourier(num_bands=2, max_resolution=(4, 4, 4))
)
STACK = processor.ProcessorConfig(
  channels=16,
  num_self_attends_per_block=1,
  self_attention=blocks.SelfAttentionConfig(num_heads=2),
)


def model_config(num_classes=10):
  """Returns a Perceiver of 6 latents × 16 channels and two reads."""
  return modelnet40.PointClassifierConfig(
    inputs=INPUT,
    perceiver=network.PerceiverConfig(
      encoder=encoder.EncoderConfig(
        input_channels=INPUT.input_channels,
        num_latents=6,
        latent_channels=16,
        num_cross_attends=2,
      ),
      processor=STACK,
      decoder=decoder.MeanDecoderConfig(output_channels=num_classes),
    ),
    num_points=NUM_POINTS,
  )


def point_net(pooling=baselines.Pooling.MAX):
  """Returns a network of 8 and 16 channels for points, 8 for clouds."""
  return baselines.PointNetConfig(
    point_channels=(8, 16),
    pooling=pooling,
    cloud_channels=(8,),
    num_classes=10,
    num_points=NUM_POINTS,
  )


def transformer(group_size=4):
  """Returns a Transformer of one layer among groups."""
  return baselines.TransformerConfig(
    points=INPUT,
    group_size=group_size,
    layers=STACK,
    num_classes=10,
    num_points=NUM_POINTS,
  )
