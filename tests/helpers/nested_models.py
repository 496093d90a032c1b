"""Models of all domains with eight latents, nested or not."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import perceiver
from perceiver import network
from tests.helpers import tiny_audioset
from tests.helpers import tiny_battles
from tests.helpers import tiny_models
from tests.helpers import tiny_points
from tests.helpers import tiny_video

SIZES = (1, 2, 5, 8)
CONFIGS = {
  "images": tiny_models.classifier(),
  "language": tiny_models.language_model(),
  "flow": tiny_models.flow_model(),
  "points": tiny_points.model_config(),
  "audio and video": tiny_audioset.model_config(
    tiny_audioset.VIDEO, tiny_audioset.RAW
  ),
  "video": tiny_video.config(),
  "entities": tiny_battles.policy_config(),
}


def model_of(config: Any, **settings: Any) -> Any:
  """Returns a model with eight latents, whose layers have other settings."""
  if isinstance(config, network.PerceiverConfig):
    processor = config.processor
    return dataclasses.replace(
      config,
      encoder=dataclasses.replace(config.encoder, num_latents=SIZES[-1]),
      processor=dataclasses.replace(
        processor,
        self_attention=dataclasses.replace(
          processor.self_attention, **settings
        ),
      ),
    )
  if not dataclasses.is_dataclass(config):
    return config
  changed = {
    field.name: model_of(getattr(config, field.name), **settings)
    for field in dataclasses.fields(config)
    if field.init
  }
  return dataclasses.replace(config, **changed)


def examples_of(model: perceiver.Model) -> Any:
  """Returns random arguments of a model, two examples each."""
  generator = np.random.default_rng(1)

  def sample(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
    if jnp.issubdtype(leaf.dtype, jnp.floating):
      return generator.uniform(size=leaf.shape).astype(leaf.dtype)
    return generator.integers(0, 2, leaf.shape).astype(leaf.dtype)

  return jax.tree.map(sample, model.config.example(2))
