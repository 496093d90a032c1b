"""Random changes to pairs of frames and the flow between them.

The kinds of change are those of RAFT (2003.12039), which AutoFlow (2104.14544)
tuned and Perceiver IO took over; order, functions and numbers are those that
AutoFlow's authors published later: colours and erased boxes of the whole
frames, then scale, flips and crop. Whether the paper's were the same is not
known. Their code multiplies the flow to the right by the factor of the height
and the flow down by that of the width; here each has its own.
"""

import dataclasses
import math

import numpy as np

from experiments.optical_flow import examples
from experiments.optical_flow.augmentation import crops
from perceiver import bounds

_WHITE = 255.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
  """Ranges and probabilities of the changes at full strength.

  Attributes:
    brightness: factors are sampled from 1 ± this.
    contrast: likewise, around the frames' mean of every channel.
    saturation: likewise, of HSV.
    hue: largest shift of the hue, as a share of the full circle.
    asymmetric_rate: probability that the frames' colours change independently.
    spatial_rate: probability of scaling at all.
    log_scale: range of the scale's logarithm to base 2.
    stretch_rate: probability that height and width have different scales.
    log_stretch: largest absolute logarithm to base 2 of their difference.
    horizontal_flip_rate: probability that left and right are exchanged.
    vertical_flip_rate: probability that top and bottom are exchanged.
    crop_margin: pixels by which a sampled crop may exceed the frame, before it
      is moved back to the edge: pixels near edges are used more often.
    eraser_rate: probability that boxes of the second frame are filled with its
      mean colour.
    max_boxes: largest number of boxes; the smallest is 1.
    box_sides: range of their sides, pixels of the frame before it is scaled.
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
  horizontal_flip_rate: float = 0.5
  vertical_flip_rate: float = 0.1
  crop_margin: int = 20
  eraser_rate: float = 0.5
  max_boxes: int = 2
  box_sides: tuple[int, int] = (50, 99)

  def __post_init__(self) -> None:
    names = [field.name for field in dataclasses.fields(self)]
    shares = [name for name in names if name.endswith("_rate")]
    shares += ["brightness", "contrast", "saturation"]
    bounds.check_ranges(
      self,
      "max_boxes",
      "box_sides",
      crop_margin="[0, inf)",
      **dict.fromkeys(shares, "[0, 1]"),
    )
    for name in ("log_scale", "box_sides"):
      low, high = getattr(self, name)
      if not low <= high:
        raise ValueError(
          f"AugmentationConfig: {name} is ({low}, {high}); expected the "
          "smaller number first."
        )


def augment(
  example: examples.FlowExample,
  generator: np.random.Generator,
  *,
  size: tuple[int, int],
  config: AugmentationConfig,
  strength: float = 1.0,
) -> examples.FlowExample:
  """Changes an example at random and crops it.

  Args:
    example: frames of any size; smaller ones than `size` are enlarged.
    generator: source of randomness.
    size: height and width of the result, pixels.
    config: ranges and probabilities of the changes.
    strength: in [0, 1], multiplies every range and every rate; at 0 only the
      position of the crop is random.

  Returns:
    An example of that size; its `occluded` is None.
  """
  frames = _jitter_colours(example.frames, generator, config, strength)
  if generator.random() < strength * config.eraser_rate:
    _erase(frames[1], generator, config)
  crop = _sample_crop(example.valid.shape, generator, size, config, strength)
  return crops.apply(dataclasses.replace(example, frames=frames), crop, size)


# ------------------------------------------------------------------------ crops


def _sample_crop(
  shape: tuple[int, ...],
  generator: np.random.Generator,
  size: tuple[int, int],
  config: AugmentationConfig,
  strength: float,
) -> crops.Crop:
  scales = np.ones(2)
  if generator.random() < strength * config.spatial_rate:
    scales *= 2 ** (strength * generator.uniform(*config.log_scale))
    if generator.random() < config.stretch_rate:
      stretch = strength * config.log_stretch
      scales *= 2 ** generator.uniform(-stretch, stretch, 2)
  flips = [
    bool(generator.random() < rate * strength)
    for rate in (config.vertical_flip_rate, config.horizontal_flip_rate)
  ]
  scales = np.maximum(scales, np.divide(size, shape))
  start = [
    _sample_start(int(scale * old + 1e-6) - new, generator, config)
    for scale, old, new in zip(scales, shape, size)
  ]
  return crops.Crop(
    scale=(float(scales[0]), float(scales[1])),
    start=(start[0], start[1]),
    vertical_flip=flips[0],
    horizontal_flip=flips[1],
  )


def _sample_start(
  last: int, generator: np.random.Generator, config: AugmentationConfig
) -> int:
  margin = config.crop_margin
  start = generator.integers(-margin, last + margin, endpoint=True)
  return int(np.clip(start, 0, last))


# ---------------------------------------------------------------------- colours


def _jitter_colours(
  frames: np.ndarray,  # [2, h, w, 3] uint8
  generator: np.random.Generator,
  config: AugmentationConfig,
  strength: float,
) -> np.ndarray:  # [2, h, w, 3] uint8
  """Changes the colours of the frames, together or independently."""
  is_asymmetric = generator.random() < strength * config.asymmetric_rate
  groups = [frames[:1], frames[1:]] if is_asymmetric else [frames]
  return np.concatenate(
    [_jitter(group, generator, config, strength) for group in groups]
  )


def _jitter(
  frames: np.ndarray,  # [n, h, w, 3] uint8
  generator: np.random.Generator,
  config: AugmentationConfig,
  strength: float,
) -> np.ndarray:  # [n, h, w, 3] uint8
  ranges = np.array([config.brightness, config.contrast, config.saturation])
  factors = 1 + strength * ranges * generator.uniform(-1, 1, 3)
  hue_shift = strength * config.hue * generator.uniform(-1, 1)
  brightness, contrast, saturation = factors.astype(np.float32)
  pixels = frames.astype(np.float32) * brightness
  mean = np.mean(pixels, axis=(0, 1, 2))  # [3], of both frames if together
  pixels = (pixels - mean) * contrast + mean
  pixels = adjust_saturation_and_hue(pixels, saturation, np.float32(hue_shift))
  return np.clip(np.rint(pixels), 0, _WHITE).astype(np.uint8)


def adjust_saturation_and_hue(
  pixels: np.ndarray,  # [..., 3] float32
  saturation: np.float32,
  hue_shift: np.float32,
) -> np.ndarray:  # [..., 3] float32
  """Changes saturation and hue of the hexagonal colour model HSV.

  A pixel's largest channel, its value, stays as it is. Channels may be beyond
  the range of colours, as after a change of contrast.

  Args:
    pixels: red, green and blue, in any units.
    saturation: factor of the saturation, which then is clipped to [0, 1].
    hue_shift: added to the hue, as a share of the full circle.
  """
  largest = pixels.max(axis=-1)  # [...]
  chroma = largest - pixels.min(axis=-1)  # [...]
  red, green, blue = np.moveaxis(pixels, -1, 0)
  # The hue in sixths of the circle: 0 is red, 2 green, 4 blue.
  hue = np.where(
    largest == red,
    green - blue,
    np.where(largest == green, blue - red, red - green),
  ) / np.where(chroma > 0, chroma, 1)
  hue += np.where(largest == red, 0, np.where(largest == green, 2, 4))
  hue += 6 * hue_shift
  limit = np.maximum(largest, 0)
  chroma = np.clip(chroma * saturation, 0, limit)
  position = (hue[..., None] + np.array([5, 3, 1], np.float32)) % 6
  share = np.clip(np.minimum(position, 4 - position), 0, 1)  # [..., 3]
  return largest[..., None] - chroma[..., None] * share


def _erase(
  frame: np.ndarray,  # [h, w, 3] uint8, changed in place
  generator: np.random.Generator,
  config: AugmentationConfig,
) -> None:
  """Fills boxes with the mean colour, as if they were occluded."""
  mean = np.rint(frame.mean(axis=(0, 1)))
  for _ in range(generator.integers(1, config.max_boxes, endpoint=True)):
    top, left = (generator.integers(n) for n in frame.shape[:2])
    height, width = generator.integers(*config.box_sides, size=2, endpoint=True)
    frame[top : top + height, left : left + width] = mean
