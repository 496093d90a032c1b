"""From audio to inputs: patches of the waveform, or points of a spectrogram."""

import dataclasses
import math

import haiku as hk

from perceiver import bounds
from perceiver import position_encoding
from perceiver.adapters import checks
from perceiver.attention import blockwise


@dataclasses.dataclass(frozen=True, kw_only=True)
class AudioInputConfig:
  """The adapter of waveforms.

  Attributes:
    num_samples: samples S of a clip.
    channels: channels of a sample, such as 1 for mono.
    patch_size: samples that make one input; divides `num_samples`.
    positions: the encoding of the row of inputs. Fourier resolution is the
      model's to choose: the released one counts samples, not inputs.
  """

  num_samples: int
  channels: int = 1
  patch_size: int
  positions: position_encoding.Encoding

  def __post_init__(self) -> None:
    bounds.check(self)
    if (
      min(self.num_samples, self.channels, self.patch_size) < 1
      or self.num_samples % self.patch_size
    ):
      raise ValueError(
        f"Audio input: num_samples is {self.num_samples}, channels "
        f"{self.channels} and patch_size {self.patch_size}; expected at least "
        "1, and a patch_size that divides num_samples."
      )
    _ = self.input_channels
    position_encoding.check_grid(self.positions, self.grid)

  @property
  def shape(self) -> tuple[int, ...]:
    """The shape of one example."""
    return self.num_samples, self.channels

  @property
  def grid(self) -> tuple[int]:
    """The shape of the grid of inputs, a row."""
    return (self.num_inputs,)

  @property
  def num_inputs(self) -> int:
    """The number M of inputs."""
    return self.num_samples // self.patch_size

  @property
  def input_channels(self) -> int:
    """Channels of the inputs with their positions."""
    return self.patch_size * self.channels + (
      position_encoding.num_channels(self.positions, num_axes=1)
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpectrogramInputConfig:
  """The adapter of spectrograms, of which every value is an input.

  Attributes:
    num_frames: steps in time.
    num_bands: bands of frequency.
    positions: the encoding of the grid of times and bands.
  """

  num_frames: int
  num_bands: int
  positions: position_encoding.Encoding

  def __post_init__(self) -> None:
    bounds.check(self)
    if min(self.num_frames, self.num_bands) < 1:
      raise ValueError(
        f"Spectrogram input: num_frames is {self.num_frames} and num_bands "
        f"{self.num_bands}; expected at least 1."
      )
    _ = self.input_channels
    position_encoding.check_grid(self.positions, self.grid)

  @property
  def shape(self) -> tuple[int, ...]:
    """The shape of one example."""
    return self.grid

  @property
  def grid(self) -> tuple[int, int]:
    """Times and bands of the grid of inputs."""
    return self.num_frames, self.num_bands

  @property
  def num_inputs(self) -> int:
    """The number M of inputs."""
    return math.prod(self.grid)

  @property
  def input_channels(self) -> int:
    """Channels of the inputs with their positions."""
    return 1 + position_encoding.num_channels(self.positions, num_axes=2)


@dataclasses.dataclass
class AudioInput(hk.Module):
  """Turns waveforms or spectrograms into values and position codes."""

  config: AudioInputConfig | SpectrogramInputConfig
  name: str | None = None

  def __call__(self, audio: checks.Unchecked) -> blockwise.Parts:
    """Returns ([B, M, values], [1, M, positions]).

    `audio` is a waveform [B, S, channels] or a spectrogram [B, times, bands],
    as the config says.
    """
    config = self.config
    checks.floats("Audio input", audio, config.shape)
    samples = math.prod(audio.shape[1:]) // config.num_inputs
    values = audio.reshape(len(audio), config.num_inputs, samples)
    positions = position_encoding.encode(config.positions, config.grid)
    return values, positions.astype(values.dtype)  # [1, M, P]
