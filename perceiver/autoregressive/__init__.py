"""Perceiver AR: generation of sequences (2202.07765)."""

from perceiver.autoregressive.network import AutoregressiveConfig
from perceiver.autoregressive.network import PerceiverAR
from perceiver.autoregressive.parts import Activation
from perceiver.autoregressive.sequence_positions import latent_steps
from perceiver.autoregressive.sequence_positions import Learned
from perceiver.autoregressive.sequence_positions import lengths
from perceiver.autoregressive.sequence_positions import Order
from perceiver.autoregressive.sequence_positions import Sinusoidal

__all__ = [
  "Activation",
  "AutoregressiveConfig",
  "Learned",
  "Order",
  "PerceiverAR",
  "Sinusoidal",
  "latent_steps",
  "lengths",
]
