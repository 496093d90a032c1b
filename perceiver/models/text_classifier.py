"""Classifiers of text with one learned query, as `transformers` has them.

Neither paper has this model: their classifiers of text decode a query of the
text's channels for each task, and end in an MLP (`glue`).
"""

import dataclasses

from perceiver import blocks
from perceiver import decoder
from perceiver.adapters import text
from perceiver.models import classifier
from perceiver.models import language

_MODULE = "language_model"  # as the trunk's, so that parameters keep their name


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextClassifierConfig(classifier.ClassifierConfig):
  """A classifier of token ids, [B, M] integers; the mask is [B, M] bool.

  Attributes:
    inputs: vocabulary, longest text and channels of the embeddings.
  """

  inputs: text.TextInputConfig

  @property
  def trunk(self) -> language.LanguageModelConfig:
    """The masked language model with the same inputs and latents."""
    channels = self.inputs.channels
    decoding = decoder.DecoderConfig(
      query_channels=channels,
      output_channels=None,
      cross_attention=blocks.CrossAttentionConfig(query_residual=False),
    )
    return language.LanguageModelConfig(
      text=self.inputs,
      perceiver=dataclasses.replace(self.perceiver, decoder=decoding),
      precision=self.precision,
    )

  def resizable_tables(self) -> dict[str, tuple[int, ...]]:
    """Returns the grids of learned positions by the module that holds them."""
    tables = self.inputs.resizable_tables()
    return {f"{_MODULE}/text_input/{k}": grid for k, grid in tables.items()}

  def network(self, is_training: bool = False) -> classifier.Classifier:
    """Returns the Haiku module."""
    return classifier.Classifier(self, is_training, name=_MODULE)
