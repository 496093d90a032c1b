"""Sound event classifiers of AudioSet, from video, sound or both.

Sources: 2103.03206 §3.3, table 3 and appendix E; 2107.14795 appendix G, table
10. Neither says how positions are encoded. The width of the inputs, 487
channels, follows from 16 bands per axis: 384 values of a patch, 99 of position
and 4 of the modality's learned code. Inferred too are the resolutions, which
are those of the grids, and the spectrogram's shape: 60 times × 80 bands makes
the published 4,800 inputs with one step every 1,024 samples.
"""

from collections.abc import Mapping
import dataclasses
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp

from perceiver import decoder
from perceiver import encoder
from perceiver import model
from perceiver import network as perceiver_network
from perceiver import position_encoding
from perceiver import processor
from perceiver import queries
from perceiver.adapters import audio
from perceiver.adapters import multimodal
from perceiver.adapters import video

Array = jax.Array

NUM_CLASSES = 527


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultimodalClassifierConfig:
  """A Perceiver that gives one vector of logits per multimodal example.

  Attributes:
    inputs: the modalities that are read.
    perceiver: the network; its decoder's output channels are the classes.
    precision: what activations are computed in.
  """

  inputs: multimodal.MultimodalInputConfig
  perceiver: perceiver_network.PerceiverConfig
  precision: model.Precision = model.Precision.FLOAT32

  def __post_init__(self) -> None:
    expected = self.inputs.input_channels
    if self.perceiver.encoder.input_channels != expected:
      raise ValueError(
        f"Encoder: input_channels is {self.perceiver.encoder.input_channels}; "
        f"expected {expected}, which all modalities are padded to."
      )
    if self.perceiver.decoder.output_channels is None:
      raise ValueError(
        "Decoder: output_channels is None; expected the number of classes."
      )

  @property
  def num_classes(self) -> int:
    """The number of classes."""
    return self.perceiver.decoder.output_channels or 0

  def network(self, is_training: bool = False) -> "MultimodalClassifier":
    """Returns the Haiku module."""
    return MultimodalClassifier(self, is_training, name="classifier")

  def example(self, batch_size: int = 1) -> tuple[Any]:
    """Returns shapes and dtypes of the modalities."""
    return (self.inputs.example(batch_size),)

  def textbook(self) -> "MultimodalClassifierConfig":
    """Returns the same model computed without shortcuts."""
    return dataclasses.replace(
      self, perceiver=perceiver_network.textbook(self.perceiver)
    )


@dataclasses.dataclass
class MultimodalClassifier(hk.Module):
  """Modalities to logits."""

  config: MultimodalClassifierConfig
  is_training: bool = False
  name: str | None = None

  def __call__(
    self,
    inputs: Mapping[str, Array],
    present: Mapping[str, Array] | None = None,
  ) -> Array:
    """Returns logits [B, classes], one sigmoid each.

    Args:
      inputs: for the published models `video`, [B, 32, 224, 224, 3], and
        `audio`, [B, 61440, 1] samples at 48 kHz or the spectrogram [B, 60, 80].
      present: {name: [B] bool}, which examples have a modality; those that are
        not named, all have. This is how modalities are dropped in training,
        30 % of the videos or 10 % of the spectrograms (2103.03206 §4.2).
    """
    return self.decode(self.encode(inputs, present))

  @hk.name_like("__call__")
  def encode(
    self,
    inputs: Mapping[str, Array],
    present: Mapping[str, Array] | None = None,
  ) -> Array:
    """Returns latents [B, N, D] of modalities."""
    return self._network().encode(
      (self._inputs(inputs),), input_mask=self._mask(present)
    )

  @hk.name_like("__call__")
  def decode(self, latents: Array) -> Array:
    """Returns logits [B, classes], float32, of latents [B, N, D]."""
    config = self.config.perceiver.decoder
    asked = None
    if isinstance(config, decoder.DecoderConfig):
      (query,) = queries.learned(1, config.query_channels)
      asked = (query.astype(latents.dtype),)
    logits = self._network().decode(latents, asked)  # [B, 1, classes]
    return logits[:, 0].astype(jnp.float32)

  @hk.name_like("__call__")
  def attention_map(
    self,
    inputs: Mapping[str, Array],
    present: Mapping[str, Array] | None = None,
  ) -> Array:
    """Returns where the first read's latents look, [B, H, N, M]."""
    return self._network().attention_map(
      (self._inputs(inputs),), input_mask=self._mask(present)
    )

  @hk.name_like("__call__")
  def _network(self) -> perceiver_network.Perceiver:
    return perceiver_network.Perceiver(
      self.config.perceiver, self.is_training, name="perceiver"
    )

  @hk.name_like("__call__")
  def _inputs(self, inputs: Mapping[str, Array]) -> Array:  # [B, M, C]
    whole = multimodal.MultimodalInput(
      self.config.inputs, self.is_training, name="multimodal_input"
    )(inputs)
    return whole.astype(self.config.precision.dtype)

  def _mask(self, present: Mapping[str, Array] | None) -> Array | None:
    if not present:
      return None
    return multimodal.input_mask(self.config.inputs, present)  # [B, M]


# ---------------------------------------------------------------- what is seen

_NUM_BANDS = 16
_NUM_FRAMES, _SIZE, _NUM_SAMPLES = 32, (224, 224), 61_440


def _video(patch: tuple[int, int, int]) -> multimodal.ModalityConfig:
  """Returns 1.28 s of video in patches of frames × rows × columns."""
  clip = (_NUM_FRAMES, *_SIZE)
  grid = tuple(float(n // p) for n, p in zip(clip, patch))
  return multimodal.ModalityConfig(
    name="video",
    input=video.VideoInputConfig(
      num_frames=_NUM_FRAMES,
      size=_SIZE,
      patch=patch,
      positions=position_encoding.Fourier(
        num_bands=_NUM_BANDS, max_resolution=grid
      ),
    ),
  )


def _waveform(patch_size: int) -> multimodal.ModalityConfig:
  """Returns 1.28 s of sound at 48 kHz in pieces of `patch_size` samples."""
  resolution = (_NUM_SAMPLES / patch_size,)
  return multimodal.ModalityConfig(
    name="audio",
    input=audio.AudioInputConfig(
      num_samples=_NUM_SAMPLES,
      patch_size=patch_size,
      positions=position_encoding.Fourier(
        num_bands=_NUM_BANDS, max_resolution=resolution
      ),
    ),
  )


VIDEO = _video((2, 8, 8))
RAW = _waveform(128)
MEL = multimodal.ModalityConfig(
  name="audio",
  input=audio.SpectrogramInputConfig(
    num_frames=60,
    num_bands=80,
    positions=position_encoding.Fourier(
      num_bands=_NUM_BANDS, max_resolution=(60, 80)
    ),
  ),
)

# ---------------------------------------------------------------- how it works


def _classifier(
  *modalities: multimodal.ModalityConfig,
  decoding: decoder.DecoderConfig | decoder.MeanDecoderConfig,
  latent_channels: int,
  num_self_attends_per_block: int,
  num_cross_attends: int = 1,
) -> MultimodalClassifierConfig:
  """Returns a classifier in which cross-attends and layers share nothing."""
  # A modality on its own needs no code to be told from others.
  inputs = multimodal.MultimodalInputConfig(
    modalities=modalities, min_padding=4 if len(modalities) > 1 else 0
  )
  return MultimodalClassifierConfig(
    inputs=inputs,
    perceiver=perceiver_network.PerceiverConfig(
      encoder=encoder.EncoderConfig(
        input_channels=inputs.input_channels,
        num_latents=512,
        latent_channels=latent_channels,
        num_cross_attends=num_cross_attends,
      ),
      processor=processor.ProcessorConfig(
        channels=latent_channels,
        num_self_attends_per_block=num_self_attends_per_block,
        num_blocks=num_cross_attends,
        num_heads=8,
      ),
      decoder=decoding,
      share_weights=num_cross_attends == 1,
    ),
  )


_QUERY_DECODER = decoder.DecoderConfig(
  query_channels=1024, output_channels=NUM_CLASSES
)
_MEAN_DECODER = decoder.MeanDecoderConfig(output_channels=NUM_CLASSES)


def _of_2021(
  *modalities: multimodal.ModalityConfig,
) -> MultimodalClassifierConfig:
  """Returns the model of 2103.03206: two cross-attends, each with 8 layers."""
  return _classifier(
    *modalities,
    decoding=_MEAN_DECODER,
    latent_channels=1024,
    num_self_attends_per_block=8,
    num_cross_attends=2,
  )


def _of_table_10(
  sound: multimodal.ModalityConfig,
  decoding: decoder.DecoderConfig | decoder.MeanDecoderConfig,
  latent_channels: int,
) -> MultimodalClassifierConfig:
  """Returns a model of 2107.14795 table 10: one cross-attend, twelve layers."""
  return _classifier(
    VIDEO,
    sound,
    decoding=decoding,
    latent_channels=latent_channels,
    num_self_attends_per_block=12,
  )


CONFIGS: dict[str, MultimodalClassifierConfig] = {
  # Perceiver IO, then its table's baseline.
  "audioset_raw": _of_table_10(RAW, _QUERY_DECODER, 512),
  "audioset_mel": _of_table_10(MEL, _QUERY_DECODER, 1024),
  "perceiver_audioset_1_cross_attend_raw": _of_table_10(
    RAW, _MEAN_DECODER, 512
  ),
  "perceiver_audioset_1_cross_attend_mel": _of_table_10(
    MEL, _MEAN_DECODER, 512
  ),
  # The Perceiver of 2021: both modalities, one alone, and the model of
  # appendix E, whose attention was pictured.
  "perceiver_audioset_raw": _of_2021(VIDEO, RAW),
  "perceiver_audioset_mel": _of_2021(VIDEO, MEL),
  "perceiver_audioset_video_alone": _of_2021(VIDEO),
  "perceiver_audioset_raw_alone": _of_2021(RAW),
  "perceiver_audioset_mel_alone": _of_2021(MEL),
  "perceiver_audioset_fine": _of_2021(_video((2, 4, 4)), _waveform(1)),
}
