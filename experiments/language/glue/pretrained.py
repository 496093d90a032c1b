"""The trunk of a pre-trained model."""

import functools
import pathlib

from experiments.data import files
import perceiver
from perceiver.models import glue
from perceiver.models import language


@functools.lru_cache(maxsize=8)
def trunk_of(path: pathlib.Path) -> language.LanguageModelConfig:
  """Returns the language model in a checkpoint, or under its model of GLUE.

  Raises:
    FileNotFoundError: if there is nothing at the path.
    perceiver.CheckpointError: if it is damaged.
    files.InputError: if it holds something else.
  """
  config = perceiver.load(path)[0].config
  if isinstance(config, glue.GlueConfig):
    config = config.trunk
  if not isinstance(config, language.LanguageModelConfig):
    raise files.InputError(
      f"{path} holds {type(config).__name__}; expected a language model, or a "
      "model of GLUE"
    )
  return config
