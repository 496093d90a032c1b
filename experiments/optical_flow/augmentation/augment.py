"""Random changes to pairs of frames and the flow between them.

The kinds of change are those of RAFT (2003.12039), which AutoFlow (2104.14544)
tuned and Perceiver IO took over; the numbers are those that AutoFlow's authors
published later. Whether the paper's were the same is not known.
"""

import dataclasses
import math

import numpy as np

from experiments.optical_flow import examples
from experiments.optical_flow.augmentation import crops

# Luma of ITU-R BT.601 and its two axes of colour.
_YIQ = np.array(
  [
    [0.299, 0.587, 0.114],
    [0.5959, -0.2746, -0.3213],
    [0.2115, -0.5227, 0.3112],
  ]
)
_WHITE = 255.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
  """How much frames are varied at full strength.

  Attributes:
    brightness: factors are drawn from 1 ± this.
    contrast: likewise, around the frames' mean grey.
    saturation: likewise, around every pixel's grey.
    hue: colours turn by at most this part of a full turn.
    asymmetric_rate: how often the two frames' colours vary apart.
    spatial_rate: how often frames are scaled and mirrored at all.
    log_scale: the range of the scale's logarithm to base 2.
    stretch_rate: how often height and width are scaled apart.
    log_stretch: by powers of 2 up to this, either way.
    mirror_rate: how often left and right change places.
    upend_rate: how often top and bottom do.
    crop_margin: pixels by which a crop may be drawn beyond the frame, to be
      moved back to its edge: what lies there is seen more often.
    eraser_rate: how often boxes of the second frame are filled with its mean
      colour.
    max_boxes: the largest number of boxes; the smallest is 1.
    box_sides: the range of their sides, pixels of the training size.
  """

  brightness: float = 0.4
  contrast: float = 0.4
  saturation: float = 0.4
  hue: float = 0.5 / math.pi
  asymmetric_rate: float = 0.2
  spatial_rate: float = 0.8
  log_scale: tuple[float, float] = (0.2, 1.0)
  stretch_rate: float = 0.8
  log_stretch: float = 0.2
  mirror_rate: float = 0.5
  upend_rate: float = 0.1
  crop_margin: int = 20
  eraser_rate: float = 0.5
  max_boxes: int = 2
  box_sides: tuple[int, int] = (50, 100)

  def __post_init__(self) -> None:
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      if field.name.endswith("_rate") and not 0 <= value <= 1:
        raise ValueError(
          f"AugmentationConfig: {field.name} is {value}; expected a "
          "probability in [0, 1]."
        )
    for name in ("brightness", "contrast", "saturation"):
      if not 0 <= getattr(self, name) <= 1:
        raise ValueError(
          f"AugmentationConfig: {name} is {getattr(self, name)}; expected a "
          "number in [0, 1]."
        )
    for name in ("log_scale", "box_sides"):
      low, high = getattr(self, name)
      if not low <= high:
        raise ValueError(
          f"AugmentationConfig: {name} is ({low}, {high}); expected the "
          "smaller number first."
        )
    if self.max_boxes < 1 or self.box_sides[0] < 1 or self.crop_margin < 0:
      raise ValueError(
        "AugmentationConfig: expected at least 1 box of at least 1 pixel and a "
        f"crop_margin of at least 0, not {self.max_boxes}, {self.box_sides} "
        f"and {self.crop_margin}."
      )


def augment(
  example: examples.FlowExample,
  generator: np.random.Generator,
  *,
  size: tuple[int, int],
  config: AugmentationConfig,
  strength: float = 1.0,
) -> examples.FlowExample:
  """Varies an example at random and crops it.

  Args:
    example: frames of any size; smaller ones than `size` are enlarged.
    generator: gives all randomness.
    size: height and width of the result.
    config: what is varied, and how much.
    strength: in [0, 1], multiplies every range and every rate; at 0 nothing
      is left but the place of the crop.

  Returns:
    An example of that size. It does not say what is occluded.
  """
  view = _draw_view(example.valid.shape, generator, size, config, strength)
  result = crops.apply(example, view, size)
  frames = _vary_colours(result.frames, generator, config, strength)
  if generator.random() < strength * config.eraser_rate:
    _erase(frames[1], generator, config)
  return dataclasses.replace(result, frames=frames)


# ----------------------------------------------------------------------- places


def _draw_view(
  whole: tuple[int, ...],
  generator: np.random.Generator,
  size: tuple[int, int],
  config: AugmentationConfig,
  strength: float,
) -> crops.View:
  scales, flips = np.ones(2), [False, False]
  if generator.random() < strength * config.spatial_rate:
    scales *= 2 ** (strength * generator.uniform(*config.log_scale))
    if generator.random() < config.stretch_rate:
      stretch = strength * config.log_stretch
      scales *= 2 ** generator.uniform(-stretch, stretch, 2)
    flips = [
      bool(generator.random() < rate * strength)
      for rate in (config.upend_rate, config.mirror_rate)
    ]
  scales = np.maximum(scales, np.divide(size, whole))
  start = [
    _draw_start(int(scale * there + 1e-6) - wanted, generator, config)
    for scale, there, wanted in zip(scales, whole, size)
  ]
  return crops.View(
    scale=(float(scales[0]), float(scales[1])),
    start=(start[0], start[1]),
    upend=flips[0],
    mirror=flips[1],
  )


def _draw_start(
  last: int, generator: np.random.Generator, config: AugmentationConfig
) -> int:
  margin = config.crop_margin
  start = generator.integers(-margin, last + margin, endpoint=True)
  return int(np.clip(start, 0, last))


# ---------------------------------------------------------------------- colours


def _vary_colours(
  frames: np.ndarray,  # [2, h, w, 3] uint8
  generator: np.random.Generator,
  config: AugmentationConfig,
  strength: float,
) -> np.ndarray:  # [2, h, w, 3] uint8
  """Varies the colours of both frames, mostly alike."""
  apart = generator.random() < strength * config.asymmetric_rate
  groups = [frames[:1], frames[1:]] if apart else [frames]
  return np.concatenate(
    [_vary(group, generator, config, strength) for group in groups]
  )


def _vary(
  frames: np.ndarray,  # [n, h, w, 3] uint8
  generator: np.random.Generator,
  config: AugmentationConfig,
  strength: float,
) -> np.ndarray:  # [n, h, w, 3] uint8
  ranges = np.array([config.brightness, config.contrast, config.saturation])
  factors = 1 + strength * ranges * generator.uniform(-1, 1, 3)
  turn = strength * config.hue * generator.uniform(-1, 1)
  mean = np.mean(frames, axis=(0, 1, 2))  # [3]
  matrix, offset = colour_map(
    brightness=factors[0],
    contrast=factors[1],
    saturation=factors[2],
    turn=turn,
    mean=mean,
  )
  pixels = frames.reshape(-1, 3).astype(np.float32) @ matrix + offset
  pixels = np.clip(np.rint(pixels), 0, _WHITE).astype(np.uint8)
  return pixels.reshape(frames.shape)


def colour_map(
  *,
  brightness: float,
  contrast: float,
  saturation: float,
  turn: float,
  mean: np.ndarray,  # [3]
) -> tuple[np.ndarray, np.ndarray]:  # [3, 3], [3]
  """Returns the four changes of colour as one: pixel @ matrix + offset.

  All are affine: the hue turns around the grey axis and leaves the luma as it
  is. Nothing is clipped between them.

  Args:
    brightness: factor of everything.
    contrast: factor of the distance to the mean grey.
    saturation: factor of the distance to the pixel's own grey.
    turn: of the hue, in full turns.
    mean: mean colour of the frames, in the units of the pixels.
  """
  grey = np.outer(_YIQ[0], np.ones(3))  # pixel @ grey is its grey
  cos, sin = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
  rotation = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
  hue = (np.linalg.inv(_YIQ) @ rotation @ _YIQ).T
  saturate = saturation * np.eye(3) + (1 - saturation) * grey
  matrix = brightness * contrast * saturate @ hue
  # Grey stays grey in what follows the contrast.
  offset = (1 - contrast) * brightness * (mean @ grey)
  return matrix.astype(np.float32), offset.astype(np.float32)


def _erase(
  frame: np.ndarray,  # [h, w, 3] uint8, changed in place
  generator: np.random.Generator,
  config: AugmentationConfig,
) -> None:
  """Fills boxes with the mean colour, as if something stood before them."""
  mean = np.rint(frame.mean(axis=(0, 1)))
  for _ in range(generator.integers(1, config.max_boxes, endpoint=True)):
    top, left = (generator.integers(n) for n in frame.shape[:2])
    height, width = generator.integers(*config.box_sides, size=2, endpoint=True)
    frame[top : top + height, left : left + width] = mean
