"""Settings that the experiments of bytes share."""

from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import trainer
from perceiver import autoregressive
from perceiver import position_encoding
from perceiver.models import perceiver_ar

# As released.
ADAM = optimizers.Adam(eps=1e-8, weight_decay=0.0, clip_norm=1.0)
TRAIN = trainer.TrainConfig(
  batch_size=16,
  steps=5000,
  base_rate=1e-3,
  schedule=schedules.WarmupCosine(warmup_steps=200),
  optimizer=ADAM,
  eval_every=500,
  checkpoint_every=500,
  log_every=50,
)


def rotary_model(
  *,
  context: int,
  num_latents: int = 256,
  num_layers: int = 4,
  channels: int = 128,
  num_heads: int = 4,
  dropout_rate: float = 0.1,
) -> autoregressive.AutoregressiveConfig:
  """Returns a small model of bytes with rotary positions."""
  return perceiver_ar.perceiver_ar(
    context=context,
    num_latents=num_latents,
    num_layers=num_layers,
    channels=channels,
    num_heads=num_heads,
    positions=position_encoding.Rotary(max_wavelength=context),
    dropout_rate=dropout_rate,
  )
