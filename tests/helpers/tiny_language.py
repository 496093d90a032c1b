"""A tiny language model and a tiny SentencePiece model."""

from experiments.language.text import sentencepiece
from experiments.language.text import topics
from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import network
from perceiver import processor
from perceiver.adapters import text
from perceiver.models import language

NUM_PIECES = 600


def model_config(vocab_size=262, length=48):
  """Returns a model of 6 latents × 16 channels."""
  return language.LanguageModelConfig(
    text=text.TextInputConfig(
      vocab_size=vocab_size,
      max_length=length,
      channels=16,
      init_scale=0.3,
      embedding_init_scale=0.3,
    ),
    perceiver=network.PerceiverConfig(
      encoder=encoder.EncoderConfig(
        input_channels=16, num_latents=6, latent_channels=16
      ),
      processor=processor.ProcessorConfig(
        channels=16,
        num_self_attends_per_block=1,
        self_attention=blocks.SelfAttentionConfig(num_heads=2),
      ),
      decoder=decoder.DecoderConfig(
        query_channels=16,
        output_channels=None,
        cross_attention=blocks.CrossAttentionConfig(query_residual=False),
      ),
    ),
  )


def pieces():
  """Returns the contents of a SentencePiece model of Python's prose."""
  lines = [
    line
    for document in topics.documents(held_out=True)
    for line in document.decode().split("\n")
    if line.strip()
  ]
  return sentencepiece.train(iter(lines), NUM_PIECES)
