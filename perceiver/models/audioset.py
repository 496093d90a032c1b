"""Classifiers of audio events, from video, audio or both: AudioSet.

Sources: 2103.03206 §3.3, table 3 and appendix E; 2107.14795 appendix G, table
10. Neither says how positions are encoded. The width of the inputs, 487
channels, follows from 16 bands per axis: 384 values of a patch, 99 of position
and 4 of the modality's learned code. Inferred too are the resolutions, which
are those of the grids, and the spectrogram's shape: 60 times × 80 bands makes
the published 4,800 inputs with one step every 1,024 samples.
"""

import dataclasses
import functools

from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import network as perceiver_network
from perceiver import position_encoding
from perceiver import processor
from perceiver.adapters import audio
from perceiver.adapters import multimodal
from perceiver.adapters import video
from perceiver.models import classifier

NUM_CLASSES = 527


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultimodalClassifierConfig(classifier.ClassifierConfig):
  """A classifier of several modalities, with one sigmoid for each class.

  Inputs of the published models are `video`, [B, 32, 224, 224, 3], and `audio`,
  [B, 61440, 1] samples at 48 kHz or the spectrogram [B, 60, 80]. Masking is how
  modalities are dropped in training, 30 % of the videos or 10 % of the
  spectrograms (2103.03206 §4.2).

  Attributes:
    inputs: the modalities.
  """

  inputs: multimodal.MultimodalInputConfig

  def resizable_tables(self) -> dict[str, tuple[int, ...]]:
    """Returns the grids of learned positions by the module that holds them."""
    tables = self.inputs.resizable_tables()
    return {f"classifier/multimodal_input/{k}": n for k, n in tables.items()}


# --------------------------------------------------------------------- inputs

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
  """Returns 1.28 s of audio at 48 kHz in patches of `patch_size` samples."""
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

# ------------------------------------------------------------------- networks


def classifier_of(
  *modalities: multimodal.ModalityConfig,
  decoding: decoder.DecoderConfig | decoder.MeanDecoderConfig,
  num_latents: int = 512,
  latent_channels: int,
  num_self_attends_per_block: int,
  num_heads: int = 8,
  num_cross_attends: int = 1,
) -> MultimodalClassifierConfig:
  """Returns a classifier in which cross-attends and layers share nothing."""
  # Only several modalities need a code that distinguishes them.
  inputs = multimodal.MultimodalInputConfig(
    modalities=modalities, min_padding=4 if len(modalities) > 1 else 0
  )
  return MultimodalClassifierConfig(
    inputs=inputs,
    perceiver=perceiver_network.PerceiverConfig(
      encoder=encoder.EncoderConfig(
        input_channels=inputs.input_channels,
        num_latents=num_latents,
        latent_channels=latent_channels,
        num_cross_attends=num_cross_attends,
      ),
      processor=processor.ProcessorConfig(
        channels=latent_channels,
        num_self_attends_per_block=num_self_attends_per_block,
        num_blocks=num_cross_attends,
        self_attention=blocks.SelfAttentionConfig(num_heads=num_heads),
      ),
      decoder=decoding,
      share_weights=num_cross_attends == 1,
    ),
  )


_QUERY_DECODER = decoder.DecoderConfig(
  query_channels=1024, output_channels=NUM_CLASSES
)
_MEAN_DECODER = decoder.MeanDecoderConfig(output_channels=NUM_CLASSES)


# The model of 2103.03206: two cross-attends, each with 8 layers.
_of_2021 = functools.partial(
  classifier_of,
  decoding=_MEAN_DECODER,
  latent_channels=1024,
  num_self_attends_per_block=8,
  num_cross_attends=2,
)


def _of_table_10(
  audio_input: multimodal.ModalityConfig,
  decoding: decoder.DecoderConfig | decoder.MeanDecoderConfig,
  latent_channels: int,
) -> MultimodalClassifierConfig:
  """Returns a model of 2107.14795 table 10: one cross-attend, twelve layers."""
  return classifier_of(
    VIDEO,
    audio_input,
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
