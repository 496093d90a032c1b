"""Clips of video and sound with known classes, made without any data."""

import dataclasses
import operator

import numpy as np

from experiments.audio_video.clips import clips
from experiments.audio_video.clips import events

_DARKEST, _BRIGHTEST = 0.0, 0.45  # of backgrounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
  """What is generated.

  Every clip shows events, each of another class. A class has a shape, a colour,
  a way to move and a pitch; some classes may be heard only or seen only, so
  that neither the video nor the sound of a clip tells all of its classes.

  Attributes:
    num_examples: how many clips there are.
    seed: decides all clips. Clips of different seeds have nothing in common.
    num_frames: frames T of a clip.
    size: height and width of the frames, pixels.
    frame_rate: frames per second.
    sample_rate: samples of the sound per second, a multiple of the frames.
    channels: channels of the sound; with 2 things are heard where they are.
    num_classes: how many classes there are.
    audible_only: how many of them, the first ones, are heard but never seen.
    visible_only: how many of them, the next ones, are seen but never heard.
    events: fewest and most events of a clip.
    distractors: most grey and hissing things of a clip, which are of no class.
    noise: deviation of noise in pixels and samples, where the full range of
      pixels is 1.
  """

  num_examples: int = 100_000
  seed: int = 0
  num_frames: int = 16
  size: tuple[int, int] = (224, 224)
  frame_rate: float = 25.0
  sample_rate: int = 48_000
  channels: int = 1
  num_classes: int = 12
  audible_only: int = 0
  visible_only: int = 0
  events: tuple[int, int] = (1, 1)
  distractors: int = 0
  noise: float = 0.0

  def __post_init__(self) -> None:
    ranges = {
      "num_examples": (1, 2**62),
      "seed": (0, 2**62),
      "num_frames": (1, 2**20),
      "frame_rate": (1, 1000),
      "channels": (1, 2),
      "num_classes": (1, 2**20),
      "audible_only": (0, self.num_classes),
      "visible_only": (0, self.num_classes - self.audible_only),
      "distractors": (0, 1000),
      "noise": (0, 1),
    }
    for name, (low, high) in ranges.items():
      if not low <= getattr(self, name) <= high:
        raise ValueError(
          f"GeneratorConfig.{name} must be between {low} and {high}, not "
          f"{getattr(self, name)}"
        )
    if len(self.size) != 2 or min(self.size) < 1:
      raise ValueError(
        f"GeneratorConfig.size must be a height and a width, not {self.size}"
      )
    if self.sample_rate < 1 or self.sample_rate % self.frame_rate:
      raise ValueError(
        f"GeneratorConfig.sample_rate must be a multiple of the "
        f"{self.frame_rate:g} frames per second, not {self.sample_rate}"
      )
    if not 0 <= self.events[0] <= self.events[1] <= self.num_classes:
      raise ValueError(
        "GeneratorConfig.events must be two rising numbers between 0 and "
        f"{self.num_classes}, not {self.events}"
      )


class Generator:
  """Clips that are made when they are asked for.

  Clip i depends on the configuration and i alone.
  """

  def __init__(self, config: GeneratorConfig) -> None:
    """Makes nothing yet."""
    self._config = config

  @property
  def class_names(self) -> tuple[str, ...]:
    """What the classes are called."""
    return tuple(f"thing {i}" for i in range(self._config.num_classes))

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
    things = [_of_class(config, generator, int(label)) for label in labels]
    for _ in range(int(generator.integers(config.distractors + 1))):
      things.append(events.draw_distractor(generator))
    return clips.Clip(
      frames=_paint(config, generator, things),
      sound=_play(config, generator, things),
      frame_rate=config.frame_rate,
      sample_rate=config.sample_rate,
      labels=tuple(int(label) for label in labels),
      name=f"generated {index}",
    )


def _of_class(
  config: GeneratorConfig, generator: np.random.Generator, label: int
) -> events.Event:
  heard_only = label < config.audible_only
  seen_only = not heard_only and label < (
    config.audible_only + config.visible_only
  )
  return dataclasses.replace(
    events.draw(generator, label, config.num_classes),
    visible=not heard_only,
    audible=not seen_only,
  )


def _paint(
  config: GeneratorConfig,
  generator: np.random.Generator,
  things: list[events.Event],
) -> np.ndarray:  # [T, H, W, 3] uint8
  seconds = np.arange(config.num_frames) / config.frame_rate
  canvas = np.repeat(
    _background(config.size, generator)[None], config.num_frames, axis=0
  )  # [T, H, W, 3]
  # Which thing is in front of which has nothing to do with their classes.
  for i in generator.permutation(len(things)):
    if things[i].visible:
      events.paint(canvas, things[i], seconds)
  if config.noise:
    canvas += config.noise * generator.standard_normal(canvas.shape)
  return np.rint(255 * np.clip(canvas, 0, 1)).astype(np.uint8)


def _background(
  size: tuple[int, int], generator: np.random.Generator
) -> np.ndarray:  # [H, W, 3]
  """Returns dark colours of four corners and what lies between them."""
  corners = generator.uniform(_DARKEST, _BRIGHTEST, (2, 2, 3))
  down, right = (np.linspace(0, 1, n) for n in size)
  down = np.stack([1 - down, down], axis=-1)  # [H, 2]
  right = np.stack([1 - right, right], axis=-1)  # [W, 2]
  return np.einsum("ha,wb,abc->hwc", down, right, corners)


def _play(
  config: GeneratorConfig,
  generator: np.random.Generator,
  things: list[events.Event],
) -> np.ndarray:  # [S, channels] float32
  length = round(config.num_frames * config.sample_rate / config.frame_rate)
  seconds = np.arange(length) / config.sample_rate
  sound = np.zeros((length, config.channels))
  for thing in things:
    if thing.audible:
      sound += events.play(thing, seconds, config.channels, generator)
  if config.noise:
    sound += config.noise * generator.standard_normal(sound.shape)
  return np.clip(sound, -1, 1).astype(np.float32)
