"""Models for images of another size than they were trained on.

A grid of any size spans [-1, 1], so that positions keep their meaning:

* Fourier codes have no arrays. Their frequencies stay those of the training,
  up to half of the resolution that it had: the network has learned them, and
  the same place of an image has the same code at any size. Frequencies of the
  new grid (`max_resolution` of the configuration) would be other codes, for
  training from the start.
* Learned positions are interpolated linearly between their neighbours, corners
  staying corners.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any, TypeVar

from perceiver import position_encoding

Config = TypeVar("Config")

_ADAPTERS = ("inputs", "frames")  # fields of configurations


def resized(config: Config, size: Sequence[int]) -> Config:
  """Returns the configuration for images of another height and width.

  Args:
    config: of a model of images or of pairs of frames.
    size: height and width, pixels.

  Raises:
    ValueError: if the model has no images, or cannot take such ones.
  """
  fields: dict[str, Any] = {
    name: getattr(config, name, None) for name in _ADAPTERS
  }
  for name, adapter in fields.items():
    if hasattr(adapter, "size"):
      adapter = dataclasses.replace(adapter, size=tuple(size))
      return dataclasses.replace(config, **{name: adapter})  # type: ignore[type-var]
  raise ValueError(
    f"Model: {type(config).__name__} has no size of images; expected a model "
    "of images or of pairs of frames."
  )


def resized_params(old: Any, new: Any, params: Any) -> Any:
  """Returns parameters with the tables of learned positions interpolated.

  Args:
    old: configuration of the model that the parameters are of.
    new: the same for another size.
    params: {module: {name: array}}.
  """
  if not hasattr(old, "resizable_tables"):
    return params
  before, after = old.resizable_tables(), new.resizable_tables()
  return dict(params) | {
    module: {
      name: position_encoding.interpolate(table, grid, after[module])
      for name, table in params[module].items()
    }
    for module, grid in before.items()
  }
