"""Events of synthetic clips: moving shapes with tones.

Every class has a shape, a colour, a motion and a pitch, any of which identifies
it. The loudness of a tone follows the position of its shape.
"""

import colorsys
import dataclasses
import math

import numpy as np

_TURNS_PER_SECOND = 1.5  # of a motion
_LOWEST, _HIGHEST = 0.01, 0.1  # pitches, in cycles per sample
_SHAPES, _NUM_MOTIONS = ("disc", "square", "diamond", "ring"), 3
_HUES = (
  *("red", "orange", "yellow", "lime", "green", "mint"),
  *("cyan", "azure", "blue", "violet", "magenta", "pink"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
  """A moving shape with a tone.

  Attributes:
    shape: number of "disc", "square", "diamond" or "ring".
    colour: red, green and blue in [0, 1].
    motion: 0 horizontal, 1 vertical, 2 circular.
    pitch: of its tone, cycles per sample; 0 for noise.
    size: distance from its centre to its edge, in heights of a frame.
    centre: row and column of the centre of its motion, in sizes of a frame.
    reach: amplitude of its motion, in sizes of a frame.
    phase: phase of its motion, radians.
    tone_phase: phase of its tone, radians.
    loudness: largest amplitude of its tone.
    visible: whether the video shows it.
    audible: whether the audio has its tone.
  """

  shape: int
  colour: tuple[float, float, float]
  motion: int
  pitch: float
  size: float
  centre: tuple[float, float]
  reach: float
  phase: float
  tone_phase: float
  loudness: float
  visible: bool = True
  audible: bool = True

  def position(self, seconds: np.ndarray) -> np.ndarray:  # [n] -> [n, 2]
    """Returns row and column at given times, in sizes of a frame."""
    angle = 2 * math.pi * _TURNS_PER_SECOND * seconds + self.phase
    down = np.sin(angle) * (self.motion != 0)
    right = np.cos(angle) * (self.motion != 1)
    return np.array(self.centre) + self.reach * np.stack([down, right], axis=-1)


def look(number: int, num_classes: int) -> str:
  """Returns colour and shape of a class in words."""
  hue = _HUES[round(len(_HUES) * number / num_classes) % len(_HUES)]
  return f"{hue} {_SHAPES[number % len(_SHAPES)]}"


def pitch(number: int, num_classes: int) -> float:
  """Returns the pitch of a class, cycles per sample."""
  octaves = math.log(_HIGHEST / _LOWEST) * number / max(1, num_classes - 1)
  return _LOWEST * math.exp(octaves)


def sample(
  generator: np.random.Generator, number: int, num_classes: int
) -> Event:
  """Samples an event of a class."""
  centre = generator.uniform(0.35, 0.65, 2)
  size = generator.uniform(0.16, 0.24)
  hue = number / num_classes
  return Event(
    shape=number % len(_SHAPES),
    colour=colorsys.hsv_to_rgb(hue, 0.9, generator.uniform(0.8, 1)),
    motion=number // len(_SHAPES) % _NUM_MOTIONS,
    pitch=pitch(number, num_classes),
    size=size,
    centre=(float(centre[0]), float(centre[1])),
    reach=generator.uniform(0.15, 0.25),
    phase=generator.uniform(0, 2 * math.pi),
    tone_phase=generator.uniform(0, 2 * math.pi),
    loudness=generator.uniform(0.5, 0.8),
  )


def sample_distractor(generator: np.random.Generator) -> Event:
  """Samples a grey shape with noise for a tone, of no class."""
  event = sample(generator, int(generator.integers(12)), 12)
  grey = generator.uniform(0.3, 0.9)
  return dataclasses.replace(
    event,
    colour=(grey, grey, grey),
    pitch=0.0,
    loudness=generator.uniform(0.05, 0.2),
  )


def paint(
  canvas: np.ndarray,  # [T, H, W, 3] in [0, 1]
  event: Event,
  seconds: np.ndarray,  # [T]
) -> None:
  """Paints an event onto frames, with antialiased edges."""
  _, height, width, _ = canvas.shape
  rows = (np.arange(height) + 0.5)[:, None]
  columns = np.arange(width) + 0.5
  for frame, position in zip(canvas, event.position(seconds)):
    scale = event.size * height
    down = (rows - position[0] * height) / scale  # [H, 1]
    right = (columns - position[1] * width) / scale  # [W]
    distance = _distance(event.shape, down, right) * scale  # [H, W], pixels
    covered = np.clip(0.5 - distance, 0, 1)[..., None]
    frame += covered * (np.array(event.colour) - frame)


def _distance(shape: int, down: np.ndarray, right: np.ndarray) -> np.ndarray:
  """Returns the signed distance to the edge of a shape of size 1.

  Inside it is negative. For the square and the diamond it is measured along
  the axes.
  """
  if shape == 1:
    return np.maximum(np.abs(down), np.abs(right)) - 0.85
  if shape == 2:
    return np.abs(down) + np.abs(right) - 1.2
  from_centre = np.hypot(down, right)
  return from_centre - 1 if shape == 0 else np.abs(from_centre - 0.75) - 0.35


def synthesise(
  event: Event,
  seconds: np.ndarray,  # [S]
  channels: int,
  generator: np.random.Generator,
) -> np.ndarray:  # [S, channels]
  """Returns the audio of an event, loudest at one end of its motion.

  With two channels, it is panned by the position of the event.

  Args:
    event: the event.
    seconds: times of the samples.
    channels: 1 or 2.
    generator: random generator of an event of pitch 0.
  """
  angle = 2 * math.pi * event.pitch * np.arange(len(seconds))
  wave = np.sin(angle + event.tone_phase)
  if not event.pitch:
    wave = generator.uniform(-1, 1, len(seconds))
  position = event.position(seconds)  # [S, 2]
  along = (position - event.centre)[:, int(event.motion == 0)] / event.reach
  wave = event.loudness * (0.6 + 0.4 * along) * wave
  if channels == 1:
    return wave[:, None]
  share = np.clip(position[:, 1], 0, 1)
  return wave[:, None] * np.sqrt(np.stack([1 - share, share], axis=-1))
