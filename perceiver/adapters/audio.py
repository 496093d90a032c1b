"""From audio to inputs: patches of the waveform, or points of a spectrogram."""

import dataclasses

import haiku as hk

from perceiver import bounds
from perceiver import position_encoding
from perceiver.adapters import checks
from perceiver.adapters import grid
from perceiver.attention import input_parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class AudioInputConfig(grid.GridInputConfig):
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
    bounds.check(self, "num_samples", "channels", "patch_size")
    if self.num_samples % self.patch_size:
      raise ValueError(
        f"Audio input: num_samples is {self.num_samples} and patch_size "
        f"{self.patch_size}; expected a divisor of num_samples."
      )
    self.check_grid()

  @property
  def shape(self) -> tuple[int, ...]:
    """The shape of one example."""
    return self.num_samples, self.channels

  @property
  def grid(self) -> tuple[int]:
    """The shape of the grid of inputs, a row."""
    return (self.num_samples // self.patch_size,)

  @property
  def num_values(self) -> int:
    """Channels of an input without its position."""
    return self.patch_size * self.channels

  def module(self, name: str, is_training: bool = False) -> "AudioInput":
    """Returns the Haiku module from waveforms to inputs."""
    del is_training
    return AudioInput(self, name=name)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpectrogramInputConfig(grid.GridInputConfig):
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
    bounds.check(self, "num_frames", "num_bands")
    self.check_grid()

  @property
  def shape(self) -> tuple[int, ...]:
    """The shape of one example."""
    return self.grid

  @property
  def grid(self) -> tuple[int, int]:
    """Times and bands of the grid of inputs."""
    return self.num_frames, self.num_bands

  @property
  def num_values(self) -> int:
    """Channels of an input without its position."""
    return 1

  def module(self, name: str, is_training: bool = False) -> "AudioInput":
    """Returns the Haiku module from spectrograms to inputs."""
    del is_training
    return AudioInput(self, name=name)


@dataclasses.dataclass
class AudioInput(hk.Module):
  """Turns waveforms or spectrograms into values and position codes."""

  config: AudioInputConfig | SpectrogramInputConfig
  name: str | None = None

  def __call__(self, audio: checks.Unchecked) -> input_parts.Parts:
    """Returns ([B, M, values], [1, M, positions]).

    `audio` is a waveform [B, S, channels] or a spectrogram [B, times, bands],
    as the config says.
    """
    checks.floats("Audio input", audio, self.config.shape)
    return self.config.with_positions(audio)
