"""A tiny language model as the trunk of models of GLUE."""

from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import network
from perceiver import processor
from perceiver.adapters import text
from perceiver.models import language

TRUNK = language.LanguageModelConfig(
  text=text.TextInputConfig(vocab_size=262, max_length=24, channels=8),
  perceiver=network.PerceiverConfig(
    encoder=encoder.EncoderConfig(
      input_channels=8,
      num_latents=4,
      latent_channels=12,
      cross_attention=blocks.CrossAttentionConfig(qk_channels=8),
    ),
    processor=processor.ProcessorConfig(
      channels=12,
      num_self_attends_per_block=1,
      self_attention=blocks.SelfAttentionConfig(num_heads=2),
    ),
    decoder=decoder.DecoderConfig(
      query_channels=8,
      output_channels=None,
      cross_attention=blocks.CrossAttentionConfig(query_residual=False),
    ),
  ),
)
