"""Configurations made small, whatever they configure."""

import dataclasses
from typing import Any

_MOST = {
  "num_latents": 2,
  "num_blocks": 2,
  "num_cross_attends": 2,
  "num_self_attends_per_block": 1,
  "num_layers": 1,
  "context": 1024,
}


def tiny(value: Any, **most: int) -> Any:
  """Returns a configuration with few latents, blocks, layers and positions.

  Args:
    value: a configuration, or a tuple of them; anything else is returned.
    **most: other largest values of fields.
  """
  if isinstance(value, tuple):
    return tuple(tiny(item, **most) for item in value)
  if not dataclasses.is_dataclass(value):
    return value
  limits = _MOST | most
  changed = {}
  for field in dataclasses.fields(value):
    old = getattr(value, field.name)
    limit = limits.get(field.name)
    new = tiny(old, **most) if limit is None else min(old, limit)
    if new is not old and field.init:
      changed[field.name] = new
  return dataclasses.replace(value, **changed) if changed else value
