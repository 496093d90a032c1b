"""A tiny language model as the trunk of models of GLUE."""

from perceiver import blocks
from perceiver import decoder
from perceiver.adapters import text
from perceiver.models import language
from tests.helpers import tiny_networks

TRUNK = language.LanguageModelConfig(
  text=text.TextInputConfig(vocab_size=262, max_length=24, channels=8),
  perceiver=tiny_networks.network_config(
    8,
    decoder.DecoderConfig(
      query_channels=8,
      output_channels=None,
      cross_attention=blocks.CrossAttentionConfig(query_residual=False),
    ),
    channels=12,
    cross_attention=blocks.CrossAttentionConfig(qk_channels=8),
  ),
)
