"""All published configurations by name."""

from collections.abc import Mapping
import difflib
import re
from typing import Any

from perceiver import autoregressive
from perceiver import model
from perceiver.models import audioset
from perceiver.models import glue
from perceiver.models import imagenet
from perceiver.models import language
from perceiver.models import modelnet40
from perceiver.models import optical_flow
from perceiver.models import perceiver_ar
from perceiver.models import shape_autoencoding
from perceiver.models import starcraft
from perceiver.models import text_classifier
from perceiver.models import time_series
from perceiver.models import video_autoencoding


def _collect(*tables: Mapping[str, Any]) -> dict[str, Any]:
  """Returns one table of all.

  Raises:
    ValueError: if two tables have the same name.
  """
  found: dict[str, Any] = {}
  for table in tables:
    shared = sorted(found.keys() & table.keys())
    if shared:
      raise ValueError(f"Models: {shared[0]!r} is listed twice; expected once.")
    found |= table
  return found


CONFIGS = _collect(
  audioset.CONFIGS,
  glue.CONFIGS,
  imagenet.CONFIGS,
  language.CONFIGS,
  modelnet40.CONFIGS,
  optical_flow.CONFIGS,
  perceiver_ar.CONFIGS,
  starcraft.CONFIGS,
  video_autoencoding.CONFIGS,
)

# Every kind of configuration that a checkpoint may hold.
ModelConfig = (
  audioset.MultimodalClassifierConfig
  | autoregressive.AutoregressiveConfig
  | glue.GlueConfig
  | imagenet.ImageClassifierConfig
  | language.LanguageModelConfig
  | modelnet40.PointClassifierConfig
  | optical_flow.OpticalFlowConfig
  | shape_autoencoding.ShapeAutoencoderConfig
  | starcraft.EntityEncoderConfig
  | text_classifier.TextClassifierConfig
  | time_series.SeriesClassifierConfig
  | time_series.SeriesRegressorConfig
  | video_autoencoding.VideoAutoencoderConfig
)


def list_models() -> list[str]:
  """Returns the names of every published configuration, sorted."""
  return sorted(CONFIGS)


def create(name_or_config: str | Any) -> model.Model:
  """Returns a model by the name of its configuration, or by a configuration.

  Raises:
    ValueError: if there is no configuration of that name.
    TypeError: if the argument is neither a name nor a model's configuration.
  """
  if isinstance(name_or_config, str):
    if name_or_config not in CONFIGS:
      # Names of version 0.1 counted reads.
      today = re.sub("_read(s?)", r"_cross_attend\1", name_or_config)
      close = difflib.get_close_matches(name_or_config, CONFIGS, n=3)
      close = [today] if today in CONFIGS else close
      hint = f" Did you mean {' or '.join(close)}?" if close else ""
      raise ValueError(
        f"Models: there is no {name_or_config!r}; expected one of the names "
        f"that perceiver.list_models() gives.{hint}"
      )
    return model.Model(CONFIGS[name_or_config])
  if not hasattr(name_or_config, "network"):
    raise TypeError(
      f"Models: {name_or_config!r} is no model's configuration; expected a "
      "name or a config object such as perceiver.models.imagenet.FOURIER."
    )
  return model.Model(name_or_config)
