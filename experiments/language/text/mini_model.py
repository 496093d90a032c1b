"""The language model of the mini recipes: pre-training and fine-tuning."""

from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import network
from perceiver import processor
from perceiver.adapters import text
from perceiver.models import language

_CHANNELS = 128

CONFIG = language.LanguageModelConfig(
  text=text.TextInputConfig(
    vocab_size=language.NUM_BYTES, max_length=64, channels=_CHANNELS
  ),
  perceiver=network.PerceiverConfig(
    encoder=encoder.EncoderConfig(
      input_channels=_CHANNELS,
      num_latents=64,
      latent_channels=_CHANNELS,
      cross_attention=blocks.CrossAttentionConfig(
        num_heads=4, qk_channels=_CHANNELS, v_channels=_CHANNELS
      ),
    ),
    processor=processor.ProcessorConfig(
      channels=_CHANNELS,
      num_self_attends_per_block=2,
      self_attention=blocks.SelfAttentionConfig(num_heads=4),
    ),
    decoder=decoder.DecoderConfig(
      query_channels=_CHANNELS,
      output_channels=None,
      cross_attention=blocks.CrossAttentionConfig(
        num_heads=4,
        qk_channels=_CHANNELS,
        v_channels=_CHANNELS,
        query_residual=False,
      ),
    ),
  ),
)
