"""Things that are seen and heard: what generated clips are made of.

Every class has a shape, a colour, a way to move and a pitch, so that each tells
the others. How loud a thing is follows where it is.
"""

import colorsys
import dataclasses
import math

import numpy as np

_TURNS_PER_SECOND = 1.5  # of a thing on its way
_LOWEST, _HIGHEST = 0.01, 0.1  # pitches, in cycles per sample
_NUM_SHAPES, _NUM_MOTIONS = 4, 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
  """A thing on its way through a clip.

  Attributes:
    shape: 0 disc, 1 square, 2 diamond, 3 ring.
    colour: red, green and blue in [0, 1].
    motion: 0 from side to side, 1 up and down, 2 round in a circle.
    pitch: of its tone, cycles per sample; 0 for noise.
    size: from its middle to its edge, in heights of a frame.
    centre: row and column of the middle of its way, in sizes of a frame.
    reach: how far from there it goes, in sizes of a frame.
    phase: where on its way it starts, radians.
    tone_phase: of its tone, radians.
    loudness: largest amplitude.
    visible: whether it is seen.
    audible: whether it is heard.
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

  def place(self, seconds: np.ndarray) -> np.ndarray:  # [n] -> [n, 2]
    """Returns row and column at some times, in sizes of a frame."""
    angle = 2 * math.pi * _TURNS_PER_SECOND * seconds + self.phase
    down = np.sin(angle) * (self.motion != 0)
    right = np.cos(angle) * (self.motion != 1)
    return np.array(self.centre) + self.reach * np.stack([down, right], axis=-1)


def draw(
  generator: np.random.Generator, number: int, num_classes: int
) -> Event:
  """Draws an event of a class; two of them differ in all but what it fixes."""
  place = generator.uniform(0.35, 0.65, 2)
  size = generator.uniform(0.16, 0.24)
  hue = number / num_classes
  octaves = math.log(_HIGHEST / _LOWEST) * number / max(1, num_classes - 1)
  return Event(
    shape=number % _NUM_SHAPES,
    colour=colorsys.hsv_to_rgb(hue, 0.9, generator.uniform(0.8, 1)),
    motion=number // _NUM_SHAPES % _NUM_MOTIONS,
    pitch=_LOWEST * math.exp(octaves),
    size=size,
    centre=(float(place[0]), float(place[1])),
    reach=generator.uniform(0.15, 0.25),
    phase=generator.uniform(0, 2 * math.pi),
    tone_phase=generator.uniform(0, 2 * math.pi),
    loudness=generator.uniform(0.5, 0.8),
  )


def draw_distractor(generator: np.random.Generator) -> Event:
  """Draws a grey thing that hisses, of no class."""
  event = draw(generator, int(generator.integers(12)), 12)
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
  """Paints a thing onto frames, with edges one pixel soft."""
  _, height, width, _ = canvas.shape
  rows = (np.arange(height) + 0.5)[:, None]
  columns = np.arange(width) + 0.5
  for frame, place in zip(canvas, event.place(seconds)):
    scale = event.size * height
    down = (rows - place[0] * height) / scale  # [H, 1]
    right = (columns - place[1] * width) / scale  # [W]
    distance = _distance(event.shape, down, right) * scale  # [H, W], pixels
    covered = np.clip(0.5 - distance, 0, 1)[..., None]
    frame += covered * (np.array(event.colour) - frame)


def _distance(shape: int, down: np.ndarray, right: np.ndarray) -> np.ndarray:
  """Returns the distance from the edge of a shape of size 1; inside, negative.

  That is measured along the axes for the square and the diamond.
  """
  if shape == 1:
    return np.maximum(np.abs(down), np.abs(right)) - 0.85
  if shape == 2:
    return np.abs(down) + np.abs(right) - 1.2
  from_middle = np.hypot(down, right)
  return from_middle - 1 if shape == 0 else np.abs(from_middle - 0.75) - 0.35


def play(
  event: Event,
  seconds: np.ndarray,  # [S]
  channels: int,
  generator: np.random.Generator,
) -> np.ndarray:  # [S, channels]
  """Returns the sound of a thing: loudest at the end of its way.

  With two channels, left and right share it by where the thing is.

  Args:
    event: what sounds.
    seconds: when.
    channels: 1 or 2.
    generator: of noise, if that is what it sounds like.
  """
  angle = 2 * math.pi * event.pitch * np.arange(len(seconds))
  wave = np.sin(angle + event.tone_phase)
  if not event.pitch:
    wave = generator.uniform(-1, 1, len(seconds))
  place = event.place(seconds)  # [S, 2]
  along = (place - event.centre)[:, int(event.motion == 0)] / event.reach
  wave = event.loudness * (0.6 + 0.4 * along) * wave
  if channels == 1:
    return wave[:, None]
  share = np.clip(place[:, 1], 0, 1)
  return wave[:, None] * np.sqrt(np.stack([1 - share, share], axis=-1))
