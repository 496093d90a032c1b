"""The language model of the mini recipes: pre-training and fine-tuning."""

from perceiver import blocks
from perceiver import processor
from perceiver.models import language

CONFIG = language.language_model(
  max_length=64,
  channels=128,
  num_latents=64,
  latent_channels=128,
  num_layers=2,
  num_heads=4,
  qk_channels=128,
  embedding_init_scale=0.02,  # with Adam, from which larger ones do not shrink
  self_attention=blocks.SelfAttentionConfig(num_heads=4),
  remat=processor.Remat.ALL,
)
