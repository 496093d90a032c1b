"""Autoencoder of video, audio and label (2107.14795 §4.3 and appendix I).

All modalities share one set of latents. Every pixel, every patch of audio and
the label are decoded from queries of the same decoder, so that a part of a
video costs a part of the work: training decodes 1,025 of the 804,737 points.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

import haiku as hk
from jaxtyping import Array, Float, Float32

from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import model
from perceiver import multimodal_decoder
from perceiver import network as perceiver_network
from perceiver import position_encoding
from perceiver import processor
from perceiver.adapters import audio
from perceiver.adapters import checks
from perceiver.adapters import multimodal
from perceiver.adapters import video
from perceiver.models import base

_LABEL = "label"


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoAutoencoderConfig:
  """A Perceiver IO from several modalities to several.

  Attributes:
    inputs: the modalities that are encoded.
    outputs: the modalities that are decoded, which need not be the same.
    perceiver: the network.
    precision: the dtype of activations.
  """

  inputs: multimodal.MultimodalInputConfig
  outputs: multimodal_decoder.MultimodalOutputConfig
  perceiver: perceiver_network.PerceiverConfig
  precision: model.Precision = model.Precision.FLOAT32

  def __post_init__(self) -> None:
    base.check_channels(
      self.perceiver, self.inputs.input_channels, self.outputs.query_channels
    )

  @property
  def num_classes(self) -> int:
    """The number of labels; 0 without any."""
    labels = [x for x in self.outputs.outputs if x.name == _LABEL]
    return labels[0].channels if labels else 0

  def with_num_classes(self, count: int) -> "VideoAutoencoderConfig":
    """Returns the configuration with another number of labels."""
    modalities = tuple(
      dataclasses.replace(x, input=multimodal.VectorInputConfig(channels=count))
      if x.name == _LABEL
      else x
      for x in self.inputs.modalities
    )
    outputs = tuple(
      dataclasses.replace(x, channels=count) if x.name == _LABEL else x
      for x in self.outputs.outputs
    )
    inputs = dataclasses.replace(self.inputs, modalities=modalities)
    encoding = dataclasses.replace(
      self.perceiver.encoder, input_channels=inputs.input_channels
    )
    return dataclasses.replace(
      self,
      inputs=inputs,
      outputs=dataclasses.replace(self.outputs, outputs=outputs),
      perceiver=dataclasses.replace(self.perceiver, encoder=encoding),
    )

  def network(self, is_training: bool = False) -> "VideoAutoencoder":
    """Returns the Haiku module."""
    return VideoAutoencoder(self, is_training, name="autoencoder")

  def example(self, batch_size: int = 1) -> tuple[Any]:
    """Returns shapes and dtypes of the modalities that must be given."""
    return (self.inputs.example(batch_size),)


@dataclasses.dataclass
class VideoAutoencoder(base.AdaptedPerceiver):
  """Modalities to latents, and latents to any points of the modalities."""

  config: VideoAutoencoderConfig

  def __call__(
    self,
    inputs: Mapping[str, checks.Unchecked],
    output_points: Mapping[str, checks.Unchecked] | None = None,
  ) -> dict[str, Float32[Array, "B ..."]]:
    """Returns some points of every modality, or all; see `decode`.

    Args:
      inputs: for the published models `image`, [B, 16, 224, 224, 3] in [0, 1];
        `audio`, [B, 30720, 1] in [-1, 1]; and, in training only, `label`, the
        one-hot [B, 700], half of which is masked and all of it in evaluation.
      output_points: as for `decode`.
    """
    return self.decode(self.encode(inputs), output_points)

  @hk.name_like("__call__")
  def decode(
    self,
    latents: Float[Array, "B N D"],
    output_points: Mapping[str, checks.Unchecked] | None = None,
  ) -> dict[str, Float32[Array, "B ..."]]:
    """Returns points of the modalities, float32.

    Args:
      latents: from `encode`.
      output_points: {name: [O] integers}, the decoded points of the flattened
        modality; all of those not named, such as the one label;
        all of everything if None. Numbers beyond a modality are not refused.

    Returns:
      For the published models `image`, [B, O, 3]; `audio`, [B, 16·O], 16
      samples for each point; and `label`, logits [B, 700].
    """
    config = self.config.perceiver.decoder
    assert isinstance(config, decoder.DecoderConfig)
    return multimodal_decoder.MultimodalDecoder(
      config, self.config.outputs, self.is_training, name="decoder"
    )(latents, output_points or {})


# The released resolutions: that of the video counts its patches of 4×4 pixels,
# for the queries of single pixels too; that of the audio counts samples, for
# patches of 16 too.
_IMAGE_POSITIONS = position_encoding.Fourier(
  num_bands=32, max_resolution=(16, 56, 56)
)
_AUDIO_POSITIONS = position_encoding.Fourier(
  num_bands=192, max_resolution=(30_720,)
)


def _inputs(
  image: video.VideoInputConfig,
  waveform: audio.AudioInputConfig,
  num_classes: int,
) -> multimodal.MultimodalInputConfig:
  # The label is masked in evaluation, where it is predicted: §4.3.
  label = multimodal.ModalityConfig(
    name="label",
    input=multimodal.VectorInputConfig(channels=num_classes),
    mask_rate=0.5,
    masked_in_evaluation=True,
  )
  return multimodal.MultimodalInputConfig(
    modalities=(
      multimodal.ModalityConfig(name="image", input=image),
      multimodal.ModalityConfig(name="audio", input=waveform),
      label,
    ),
    mask_tokens=True,
  )


def _outputs(
  image: video.VideoInputConfig,
  waveform: audio.AudioInputConfig,
  label: multimodal_decoder.OutputConfig,
  positions: Sequence[position_encoding.Fourier],
) -> multimodal_decoder.MultimodalOutputConfig:
  return multimodal_decoder.MultimodalOutputConfig(
    outputs=(
      multimodal_decoder.OutputConfig(
        name="image",
        grid=(image.num_frames, *image.size),
        positions=positions[0],
        channels=3,
      ),
      multimodal_decoder.OutputConfig(
        name="audio",
        grid=(waveform.num_samples // waveform.patch_size,),
        positions=positions[1],
        channels=waveform.patch_size,
        joined=True,
      ),
      label,
    ),
  )


def video_autoencoder(
  *,
  num_frames: int = 16,
  size: tuple[int, int] = (224, 224),
  patch: tuple[int, int, int] = (1, 4, 4),
  image_positions: position_encoding.Fourier = _IMAGE_POSITIONS,
  num_samples: int = 30_720,
  patch_size: int = 16,
  audio_positions: position_encoding.Fourier = _AUDIO_POSITIONS,
  num_classes: int = 700,
  label_channels: int = 1024,
  num_latents: int = 784,
  latent_channels: int = 512,
  latent_init_scale: float = 0.02,
  num_layers: int = 8,
  num_heads: int = 8,
  output_channels: int = 512,
) -> VideoAutoencoderConfig:
  """Returns the main model, but for what is given."""
  image = video.VideoInputConfig(
    num_frames=num_frames, size=size, patch=patch, positions=image_positions
  )
  waveform = audio.AudioInputConfig(
    num_samples=num_samples, patch_size=patch_size, positions=audio_positions
  )
  inputs = _inputs(image, waveform, num_classes)
  label = multimodal_decoder.OutputConfig(
    name="label",
    grid=(1,),
    positions=position_encoding.Learned(channels=label_channels),
    channels=num_classes,
    joined=True,
  )
  outputs = _outputs(image, waveform, label, (image_positions, audio_positions))
  return VideoAutoencoderConfig(
    inputs=inputs,
    outputs=outputs,
    perceiver=perceiver_network.PerceiverConfig(
      encoder=encoder.EncoderConfig(
        input_channels=inputs.input_channels,
        num_latents=num_latents,
        latent_channels=latent_channels,
        latent_init_scale=latent_init_scale,
      ),
      processor=processor.ProcessorConfig(
        channels=latent_channels,
        num_self_attends_per_block=num_layers,
        self_attention=blocks.SelfAttentionConfig(num_heads=num_heads),
      ),
      decoder=decoder.DecoderConfig(
        query_channels=outputs.query_channels,
        output_channels=output_channels,
        cross_attention=blocks.CrossAttentionConfig(query_residual=False),
      ),
    ),
  )


CONFIGS: dict[str, VideoAutoencoderConfig] = {
  # 88, 176 and 352 times fewer numbers in the latents than in the inputs, by
  # the paper's count, which has 480 patches of audio instead of 1,920.
  "video_autoencoding": video_autoencoder(),
  "video_autoencoding_392": video_autoencoder(num_latents=392),
  "video_autoencoding_196": video_autoencoder(num_latents=196),
}
