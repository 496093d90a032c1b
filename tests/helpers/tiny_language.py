"""A tiny language model and a tiny SentencePiece model."""

from experiments.data import python_topics
from experiments.language.text import sentencepiece
from perceiver import blocks
from perceiver import decoder
from perceiver.adapters import text
from perceiver.models import language
from tests.helpers import tiny_networks

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
    perceiver=tiny_networks.network_config(
      16,
      decoder.DecoderConfig(
        query_channels=16,
        output_channels=None,
        cross_attention=blocks.CrossAttentionConfig(query_residual=False),
      ),
      num_latents=6,
      channels=16,
    ),
  )


def pieces():
  """Returns the contents of a SentencePiece model of Python's prose."""
  lines = [
    line
    for document in python_topics.documents(held_out=True)
    for line in document.decode().split("\n")
    if line.strip()
  ]
  return sentencepiece.train(iter(lines), NUM_PIECES)
