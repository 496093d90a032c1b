"""A model that uses the first of its latents only.

Cost is linear to quadratic in the number of latents N, and the N that a task
needs differs with the budget. A model trained for several sizes (`LatentSizes`
of the trainer; Matryoshka query transformers, 2405.19315; AdaPerceiver,
2511.18105) serves each of them with the first n of its N latents; one that was
trained with all of them cannot be cut.
"""

import dataclasses
import functools
from typing import Any, TypeVar

from perceiver import network

Config = TypeVar("Config")

# The path of the table of initial latents ends so, in every model.
_MODULE = "perceiver/latents"


def count(config: Any) -> int | None:
  """Returns the number N of a model's latents; None if it has none."""
  found = _find(config)
  return None if found is None else found.encoder.num_latents


def check_nested(config: Any) -> None:
  """Raises a ValueError if a model's latents all depend on one another."""
  found = _find(config)
  if found is None or not found.processor.self_attention.nested_sizes:
    raise ValueError(
      f"Model: {type(config).__name__} has no nested latents; expected a "
      "Perceiver with nested_sizes in the self-attention of its processor."
    )


@functools.lru_cache(maxsize=256)
def with_first(config: Config, num_latents: int) -> Config:
  """Returns the configuration of the model that has the first latents only.

  Args:
    config: a model's.
    num_latents: how many, from 1 to all of them; of nested latents, one of
      their sizes.

  Raises:
    ValueError: if the model has no latents, or not so many.
  """
  perceiver = _find(config)
  if perceiver is None:
    raise ValueError(
      f"Model: num_latents is {num_latents}, but {type(config).__name__} has "
      "no latents; expected a Perceiver."
    )
  most = perceiver.encoder.num_latents
  if type(num_latents) is not int or not 1 <= num_latents <= most:
    raise ValueError(
      f"Model: num_latents is {num_latents!r}; expected 1 to {most}."
    )
  if num_latents == most:
    return config
  layers = perceiver.processor.self_attention
  if layers.nested_sizes and num_latents not in layers.nested_sizes:
    raise ValueError(
      f"Model: num_latents is {num_latents}; expected one of the nested sizes "
      f"{layers.nested_sizes}."
    )
  sizes = tuple(size for size in layers.nested_sizes if size <= num_latents)
  smaller = dataclasses.replace(
    perceiver,
    encoder=dataclasses.replace(perceiver.encoder, num_latents=num_latents),
    processor=dataclasses.replace(
      perceiver.processor,
      self_attention=dataclasses.replace(layers, nested_sizes=sizes),
    ),
  )
  return _replace(config, smaller)


def first(params: Any, num_latents: int) -> Any:
  """Returns a model's parameters with the first initial latents only."""
  return {
    module: {
      name: array[:num_latents] if module.endswith(_MODULE) else array
      for name, array in arrays.items()
    }
    for module, arrays in params.items()
  }


def _find(config: Any) -> network.PerceiverConfig | None:
  """Returns the Perceiver within a model's configuration."""
  if isinstance(config, network.PerceiverConfig):
    return config
  if not dataclasses.is_dataclass(config):
    return None
  fields = (getattr(config, f.name) for f in dataclasses.fields(config))
  return next(filter(None, map(_find, fields)), None)


def _replace(config: Any, perceiver: network.PerceiverConfig) -> Any:
  """Returns a model's configuration with another Perceiver within."""
  if isinstance(config, network.PerceiverConfig):
    return perceiver
  changed = {
    field.name: _replace(getattr(config, field.name), perceiver)
    for field in dataclasses.fields(config)
    if _find(getattr(config, field.name)) is not None
  }
  return dataclasses.replace(config, **changed)
