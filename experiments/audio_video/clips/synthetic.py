"""Synthetic clips of video and audio with known classes."""

import dataclasses
import operator

import numpy as np

from experiments.audio_video.clips import clips
from experiments.audio_video.clips import events
from perceiver import bounds

_DARKEST, _BRIGHTEST = 0.0, 0.45  # of backgrounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
  """Synthetic clips.

  Every clip has events, each of another class. A class has a shape, a colour, a
  motion and a pitch. Some classes may be in the audio only or in the video
  only, so that neither of them determines all classes of a clip.

  Attributes:
    num_examples: number of clips.
    seed: seed of all clips. Clips of different seeds have nothing in common.
    num_frames: frames T of a clip.
    size: height and width of the frames, pixels.
    frame_rate: frames per second.
    sample_rate: audio samples per second, a multiple of the frames.
    channels: channels of the audio; with 2, events are panned by position.
    num_classes: number of classes.
    audio_only: number of classes, the first ones, that are in the audio only.
    video_only: number of classes, the next ones, that are in the video only.
    events: fewest and most events of a clip.
    distractors: most distractors of a clip, which are of no class.
    noise: standard deviation of noise in pixels and samples, where the full
      range of pixels is 1.
  """

  num_examples: int = 100_000
  seed: int = 0
  num_frames: int = 16
  size: tuple[int, int] = (224, 224)
  frame_rate: float = 25.0
  sample_rate: int = 48_000
  channels: int = 1
  num_classes: int = 12
  audio_only: int = 0
  video_only: int = 0
  events: tuple[int, int] = (1, 1)
  distractors: int = 0
  noise: float = 0.0

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self,
      "size",
      "sample_rate",
      num_examples=f"[1, {2**62}]",
      seed=f"[0, {2**62}]",
      num_frames=f"[1, {2**20}]",
      frame_rate="[1, 1000]",
      channels="[1, 2]",
      num_classes=f"[1, {2**20}]",
      audio_only=f"[0, {self.num_classes}]",
      video_only=f"[0, {self.num_classes - self.audio_only}]",
      distractors="[0, 1000]",
      noise="[0, 1]",
    )
    if self.sample_rate % self.frame_rate:
      raise ValueError(
        f"SyntheticConfig.sample_rate is {self.sample_rate}; expected a "
        f"multiple of the {self.frame_rate:g} frames per second."
      )
    if not 0 <= self.events[0] <= self.events[1] <= self.num_classes:
      raise ValueError(
        f"SyntheticConfig.events is {self.events}; expected two rising numbers "
        f"between 0 and {self.num_classes}."
      )


class SyntheticClips:
  """Data source of synthetic clips, made on access.

  Clip i depends on the configuration and i alone.
  """

  def __init__(self, config: SyntheticConfig) -> None:
    """Makes no clip yet."""
    self._config = config

  @property
  def class_names(self) -> tuple[str, ...]:
    """Colour and shape of the classes, or their tone, and their number."""
    config, names = self._config, []
    for number in range(config.num_classes):
      name = events.look(number, config.num_classes)
      if number < config.audio_only:
        pitch = events.pitch(number, config.num_classes) * config.sample_rate
        name = f"tone of {pitch:.0f} Hz"
      names.append(f"{name} ({number})")
    return tuple(names)

  def __len__(self) -> int:
    return self._config.num_examples

  def __getitem__(self, index: int) -> clips.Clip:
    """Returns a clip."""
    index, config = operator.index(index), self._config
    if not 0 <= index < len(self):
      raise IndexError(f"clip {index} of {len(self)}")
    generator = np.random.default_rng((config.seed, index))
    fewest, most = config.events
    count = int(generator.integers(fewest, most + 1))
    labels = sorted(generator.choice(config.num_classes, count, replace=False))
    sampled = [_of_class(config, generator, int(label)) for label in labels]
    for _ in range(int(generator.integers(config.distractors + 1))):
      sampled.append(events.sample_distractor(generator))
    return clips.Clip(
      frames=_paint(config, generator, sampled),
      audio=_synthesise(config, generator, sampled),
      frame_rate=config.frame_rate,
      sample_rate=config.sample_rate,
      labels=tuple(int(label) for label in labels),
      name=f"synthetic {index}",
    )


def _of_class(
  config: SyntheticConfig, generator: np.random.Generator, label: int
) -> events.Event:
  audio_only = label < config.audio_only
  video_only = not audio_only and label < (
    config.audio_only + config.video_only
  )
  return dataclasses.replace(
    events.sample(generator, label, config.num_classes),
    visible=not audio_only,
    audible=not video_only,
  )


def _paint(
  config: SyntheticConfig,
  generator: np.random.Generator,
  sampled: list[events.Event],
) -> np.ndarray:  # [T, H, W, 3] uint8
  seconds = np.arange(config.num_frames) / config.frame_rate
  canvas = np.repeat(
    _background(config.size, generator)[None], config.num_frames, axis=0
  )  # [T, H, W, 3]
  # The order from back to front is independent of the classes.
  for i in generator.permutation(len(sampled)):
    if sampled[i].visible:
      events.paint(canvas, sampled[i], seconds)
  if config.noise:
    canvas += config.noise * generator.standard_normal(canvas.shape)
  return np.rint(255 * np.clip(canvas, 0, 1)).astype(np.uint8)


def _background(
  size: tuple[int, int], generator: np.random.Generator
) -> np.ndarray:  # [H, W, 3]
  """Returns an interpolation of four dark colours in the corners."""
  corners = generator.uniform(_DARKEST, _BRIGHTEST, (2, 2, 3))
  down, right = (np.linspace(0, 1, n) for n in size)
  down = np.stack([1 - down, down], axis=-1)  # [H, 2]
  right = np.stack([1 - right, right], axis=-1)  # [W, 2]
  return np.einsum("ha,wb,abc->hwc", down, right, corners)


def _synthesise(
  config: SyntheticConfig,
  generator: np.random.Generator,
  sampled: list[events.Event],
) -> np.ndarray:  # [S, channels] float32
  length = round(config.num_frames * config.sample_rate / config.frame_rate)
  seconds = np.arange(length) / config.sample_rate
  audio = np.zeros((length, config.channels))
  for event in sampled:
    if event.audible:
      audio += events.synthesise(event, seconds, config.channels, generator)
  if config.noise:
    audio += config.noise * generator.standard_normal(audio.shape)
  return np.clip(audio, -1, 1).astype(np.float32)
