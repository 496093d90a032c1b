"""Checkpoints of version 0.1: their configurations and names of parameters.

Configurations listed the settings of attention among those of encoder,
processor and decoder, under other names; parameters of the cross-attentions
stood in modules of another name.
"""

import json
import re
from typing import Any

_RENAMED = {
  "num_reads": "num_cross_attends",
  "num_layers": "num_self_attends_per_block",
  "num_repeats": "num_blocks",
}
_ATTENTION = (
  "num_heads",
  "qk_channels",
  "v_channels",
  "query_residual",
  "mlp_widening",
  "exact_gelu",
  "dropout_rate",
  "attention_dropout_rate",
)
# By the type of the configuration: the field and type of its attention.
_COMPOSED = {
  "DecoderConfig": ("cross_attention", "CrossAttentionConfig"),
  "EncoderConfig": ("cross_attention", "CrossAttentionConfig"),
  "ProcessorConfig": ("self_attention", "SelfAttentionConfig"),
}
# A field of before and of today, by the type of the configuration.
_FIELDS = {
  "ConvNetConfig": ("image", "inputs"),
  "GlueConfig": ("reading", "query_kind"),
  "ImageClassifierConfig": ("image", "inputs"),
  "PointClassifierConfig": ("points", "inputs"),
}
# It changed no number, and is now a switch of `Model`.
_DROPPED = ("direct",)


def upgrade(config: Any) -> Any:
  """Returns a decoded JSON configuration in today's layout.

  One of today is returned as it is.
  """
  if isinstance(config, list):
    return [upgrade(item) for item in config]
  if not isinstance(config, dict):
    return config
  config = {name: upgrade(value) for name, value in config.items()}
  kind = str(config.get("type"))  # In a damaged file it may be anything.
  if kind in _FIELDS:
    old, new = _FIELDS[kind]
    return {new if n == old else n: x for n, x in config.items()}
  if kind not in _COMPOSED:
    return config
  field, attention = _COMPOSED[kind]
  if field in config:
    return config
  settings = {name: config.pop(name) for name in _ATTENTION if name in config}
  for name in _DROPPED:
    config.pop(name, None)
  config = {_RENAMED.get(name, name): x for name, x in config.items()}
  return config | {field: {"type": attention} | settings}


def upgrade_json(text: str) -> str:
  """Returns a configuration's JSON in today's layout; the same if it is one.

  Text that is no JSON, or nested too deeply, is returned as it is.
  """
  try:
    config = json.loads(text)
    upgraded = upgrade(config)
    return text if upgraded == config else json.dumps(upgraded)
  except (RecursionError, ValueError):
    return text


def upgrade_module(name: str) -> str:
  """Returns today's name of a module of version 0.1."""
  name = re.sub(r"\breread/read\b", "later_cross_attention", name)
  return re.sub(r"(?<=/)read(?=_\d+/|/|$)", "cross_attention", name)
