"""Classifiers: an input adapter, a Perceiver, and one vector of logits."""

import dataclasses
from typing import Any

import haiku as hk
import jax.numpy as jnp
from jaxtyping import Array, Float

from perceiver import decoder
from perceiver import model
from perceiver import network
from perceiver import queries as learned_queries
from perceiver.adapters import adapter
from perceiver.attention import segments
from perceiver.models import base


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
  """A Perceiver that gives one vector of logits per example.

  Attributes:
    inputs: the adapter from examples to inputs.
    perceiver: the network; its decoder's output channels are the classes.
    precision: the dtype of activations.
  """

  inputs: adapter.InputAdapter
  perceiver: network.PerceiverConfig
  precision: model.Precision = model.Precision.FLOAT32

  def __post_init__(self) -> None:
    base.check_channels(self.perceiver, self.inputs.input_channels)
    if self.perceiver.decoder.output_channels is None:
      raise ValueError(
        "Decoder: output_channels is None; expected the number of classes."
      )

  @property
  def num_classes(self) -> int:
    """The number of classes."""
    return self.perceiver.decoder.output_channels or 0

  def with_num_classes(self, count: int) -> "ClassifierConfig":
    """Returns the configuration with another number of classes."""
    decoding = dataclasses.replace(
      self.perceiver.decoder, output_channels=count
    )
    network = dataclasses.replace(self.perceiver, decoder=decoding)
    return dataclasses.replace(self, perceiver=network)

  def network(self, is_training: bool = False) -> "Classifier":
    """Returns the Haiku module."""
    return Classifier(self, is_training, name="classifier")

  def example(self, batch_size: int = 1) -> tuple[Any]:
    """Returns shapes and dtypes of the examples."""
    return (self.inputs.example(batch_size),)


@dataclasses.dataclass
class Classifier(base.AdaptedPerceiver):
  """Examples to logits; `mask` is that of the adapter.

  With `segments`, examples are rows of many sets, each with logits.
  """

  config: ClassifierConfig

  def __call__(
    self,
    examples: Any,
    mask: Any = None,
    *,
    segments: segments.Segments | None = None,
  ) -> Float[Array, "B classes"] | Float[Array, "B S classes"]:
    """Returns logits, float32."""
    return self.decode(self.encode(examples, mask, segments=segments))

  @hk.name_like("__call__")
  def decode(self, latents: Float[Array, "*B N D"]) -> Float[Array, "*B C"]:
    """Returns logits, float32, of latents."""
    config = self.config.perceiver.decoder
    batch = latents.shape[:-2]
    latents = latents.reshape(-1, *latents.shape[-2:])  # [B, N, D]
    queries = None
    if isinstance(config, decoder.DecoderConfig):
      (query,) = learned_queries.learned(1, config.query_channels)
      queries = (query.astype(latents.dtype),)
    logits = self._network().decode(latents, queries)  # [B, 1, classes]
    return logits[:, 0].astype(jnp.float32).reshape(*batch, logits.shape[-1])
