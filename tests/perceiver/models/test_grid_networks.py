"""Networks over grids: published sizes, and what they compute."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.image_classification.imagenet import configs as imagenet
from experiments.point_clouds import configs as modelnet40
import perceiver
from perceiver import blocks
from perceiver import processor
from perceiver.models import grid_networks

TINY = grid_networks.VisionTransformerConfig(
  patch_size=2,
  layers=processor.ProcessorConfig(
    channels=8,
    num_self_attends_per_block=2,
    self_attention=blocks.SelfAttentionConfig(num_heads=2, mlp_widening=4),
  ),
)
_VIT = grid_networks.VisionTransformerConfig()


def transformed(config, num_classes):
  return hk.without_apply_rng(
    hk.transform_with_state(
      lambda x: grid_networks.GridNetwork(config, num_classes, True)(x)
    )
  )


def count(config, channels):
  images = jax.ShapeDtypeStruct((1, 224, 224, channels), jnp.float32)
  init = transformed(config, 1000).init
  params, _ = jax.eval_shape(init, jax.random.key(0), images)
  return hk.data_structures.tree_size(params)


def test_published_sizes():
  # ViT-B/16 has 86,567,656 with its positions of 1 + 14 · 14 tokens.
  assert count(_VIT, 3) == 86_567_656 - 197 * 768
  assert count(grid_networks.ResNetConfig(), 3) == 25_557_032


# 258 and 384 channels of the Fourier codes more, and no positions.
@pytest.mark.parametrize(
  ("module", "recipe", "expected"),
  [
    (imagenet, "resnet", 25_557_032 + 7 * 7 * 258 * 64),
    (imagenet, "vit", 86_416_360 + 16 * 16 * 258 * 768),
    (imagenet, "transformer", 86_416_360 - 16 * 16 * 3 * 768 + 261 * 768),
    (modelnet40, "resnet", 25_557_032 + 7 * 7 * 384 * 64 - 960 * 2049),
    (
      modelnet40,
      "vit_2",
      86_416_360 - 16 * 16 * 3 * 768 + 2 * 2 * 387 * 768 - 960 * 769,
    ),
    (
      modelnet40,
      "transformer_44",
      86_416_360 - 16 * 16 * 3 * 768 + 387 * 768 - 960 * 769,
    ),
  ],
)
def test_sizes_on_fourier_codes(module, recipe, expected):
  model = perceiver.create(module.EXPERIMENTS[recipe].model)
  assert model.num_parameters() == expected


def test_patches_may_be_in_any_order():
  x = jax.random.normal(jax.random.key(0), (2, 4, 4, 3))
  network = transformed(TINY, 5)
  params, state = network.init(jax.random.key(1), x)
  logits, _ = network.apply(params, state, x)
  swapped, _ = network.apply(params, state, jnp.roll(x, 2, axis=1))
  other, _ = network.apply(params, state, jnp.roll(x, 1, axis=1))
  assert logits.shape == (2, 5)
  np.testing.assert_allclose(logits, swapped, atol=1e-5)
  assert np.abs(logits - other).max() > 1e-3


def test_patches_cover_the_grid():
  with pytest.raises(ValueError, match=r"patch_size is 16; expected a divisor"):
    grid_networks.check_grid(_VIT, (44, 44))
