"""Log-mel spectrograms: the energy of audio by time and frequency.

2103.03206 gives the model 4,800 values for 1.28 s of audio and does not define
them. Here they are 60 times × 80 bands: one time every 1,024 samples at 48 kHz.
The mel scale is HTK's, 2595 log10(1 + f / 700).
"""

import dataclasses
import functools

import numpy as np

from perceiver import bounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpectrogramConfig:
  """Parameters of a spectrogram.

  Attributes:
    sample_rate: of the audio, Hz.
    hop: samples from one time to the next.
    window: samples of the Hann window of every time.
    num_bands: frequency bands, overlapping triangles equally wide in mel.
    lowest: lower edge of the first band, Hz.
    highest: upper edge of the last band, Hz.
    silence: level that counts as silence, decibels below a full-scale tone.
  """

  sample_rate: int = 48_000
  hop: int = 1024
  window: int = 2048
  num_bands: int = 80
  lowest: float = 20.0
  highest: float = 20_000.0
  silence: float = 100.0

  def __post_init__(self) -> None:
    if self.hop < 1 or self.window < self.hop or (self.window - self.hop) % 2:
      raise ValueError(
        f"Spectrogram: window is {self.window} and hop {self.hop}; expected a "
        "window that is longer than the hop by an even number."
      )
    bounds.check_ranges(
      self,
      "num_bands",
      lowest=f"[0, {self.highest})",
      highest=f"(0, {self.sample_rate / 2}]",
      silence="(0, inf)",
    )
    empty = np.flatnonzero(filter_bank(self).sum(axis=0) == 0)
    if len(empty):
      raise ValueError(
        f"Spectrogram: num_bands is {self.num_bands}, of which bands "
        f"{empty.tolist()} are empty at a window of {self.window} samples; "
        "expected fewer bands, or a longer window."
      )


@functools.lru_cache(maxsize=8)
def filter_bank(
  config: SpectrogramConfig,
) -> np.ndarray:  # [window // 2 + 1, num_bands] float32
  """Returns the weight of every frequency in each band, in [0, 1].

  A band rises from the centre of the one below and falls to the centre of the
  one above; the bands at a frequency between two centres sum to one.
  """
  frequencies = np.fft.rfftfreq(config.window, 1 / config.sample_rate)  # Hz
  edges = corners(config)
  # Distance of the frequency above each corner, in bands.
  above = (to_mel(frequencies)[:, None] - edges) / (edges[1] - edges[0])
  rising, falling = above[:, :-2], -above[:, 2:]
  return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def corners(config: SpectrogramConfig) -> np.ndarray:  # [num_bands + 2]
  """Returns lower edge, centre and upper edge of each band, one after another.

  Band n, from 0, has the entries n, n + 1 and n + 2, in mel.
  """
  low, high = to_mel(np.array([config.lowest, config.highest]))
  return np.linspace(low, high, config.num_bands + 2)


def to_mel(frequency: np.ndarray) -> np.ndarray:
  """Converts frequencies from Hz to mel."""
  return 2595 * np.log10(1 + frequency / 700)


def log_mel(
  audio: np.ndarray,  # [S] float32
  config: SpectrogramConfig,
) -> np.ndarray:  # [S / hop, num_bands] float32
  """Returns the spectrogram of mono audio.

  Windows are centred on the hops; the audio is padded with silence.

  Args:
    audio: samples in [-1, 1], a multiple of the hop.
    config: parameters.

  Returns:
    Levels: -1 for silence, 1 for a tone at full scale, linear in decibels
    between.

  Raises:
    ValueError: if the audio has another shape.
  """
  if audio.ndim != 1 or not audio.size or audio.size % config.hop:
    raise ValueError(
      f"Spectrogram: the audio has shape {audio.shape}; expected one axis, a "
      f"multiple of {config.hop}."
    )
  # Periodic, so that a tone's energy does not depend on its phase.
  weights = np.hanning(config.window + 1)[:-1].astype(np.float32)
  padded = np.pad(audio, (config.window - config.hop) // 2)
  windows = np.lib.stride_tricks.sliding_window_view(padded, config.window)
  spectrum = np.fft.rfft(windows[:: config.hop] * weights)  # [times, bins]
  power = (2 * np.abs(spectrum) / weights.sum()) ** 2  # 1 for a full-scale tone
  energy = power @ filter_bank(config)  # [times, bands]
  level = 10 * np.log10(np.maximum(energy, 10 ** (-config.silence / 10)))
  return (1 + 2 * level / config.silence).astype(np.float32)
