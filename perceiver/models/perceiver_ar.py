"""The configurations that were published with Perceiver AR (2202.07765).

Sizes are those of the released code; its fixed tables of sinusoidal positions
count as parameters there, here they are none. Parameter counts are pinned in
`tests/perceiver/models/test_perceiver_ar.py`.
"""

from perceiver import autoregressive
from perceiver import blocks
from perceiver import rematerialisation
from perceiver.autoregressive import sequence_positions

NUM_BYTES = 3 + 256  # padding, end and start before the bytes


def perceiver_ar(
  *,
  context: int,
  num_latents: int,
  num_layers: int,
  convolution_width: int = 1,
  positions: sequence_positions.Positions,
  vocab_size: int = NUM_BYTES,
  channels: int = 1024,
  num_heads: int = 16,
  num_cross_heads: int | None = None,
  mlp_widening: int = 4,
  dropout_rate: float = 0.1,
  input_dropout_rate: float = 0.0,
  remat: rematerialisation.Remat = rematerialisation.Remat.NOTHING,
) -> autoregressive.AutoregressiveConfig:
  """Returns a model of one width; heads are those of both attentions."""
  return autoregressive.AutoregressiveConfig(
    vocab_size=vocab_size,
    context=context,
    num_latents=num_latents,
    channels=channels,
    num_layers=num_layers,
    convolution_width=convolution_width,
    positions=positions,
    cross_attention=blocks.CrossAttentionConfig(
      num_heads=num_cross_heads or num_heads,
      mlp_widening=mlp_widening,
      dropout_rate=dropout_rate,
    ),
    self_attention=blocks.SelfAttentionConfig(
      num_heads=num_heads, mlp_widening=mlp_widening, dropout_rate=dropout_rate
    ),
    input_dropout_rate=input_dropout_rate,
    remat=remat,
  )


MIRRORED_32 = perceiver_ar(
  context=32,
  num_latents=16,
  num_layers=1,
  positions=autoregressive.Sinusoidal(size=33),
)
MIRRORED_131072 = perceiver_ar(
  context=131_072,
  num_latents=1024,
  num_layers=6,
  positions=autoregressive.Sinusoidal(size=131_073),
  remat=rematerialisation.Remat.ALL,
)
IMAGENET_64 = perceiver_ar(
  context=12_416,
  num_latents=1024,
  num_layers=60,
  positions=autoregressive.Learned(sizes=(66, 66, 5), grid=(64, 64, 3)),
  remat=rematerialisation.Remat.ALL,
)

CONFIGS: dict[str, autoregressive.AutoregressiveConfig] = {
  "perceiver_ar_mirrored_32": MIRRORED_32,
  "perceiver_ar_mirrored_131072": MIRRORED_131072,
  "perceiver_ar_imagenet_64": IMAGENET_64,
}
