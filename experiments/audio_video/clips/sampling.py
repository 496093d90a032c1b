"""Segments and augmentation of clips, with NumPy on the host."""

from collections.abc import Sequence
import dataclasses
import math

import numpy as np
from PIL import Image

from experiments.audio_video.clips import clips
from perceiver import bounds

# Weights of red, green and blue in luma (ITU-R BT.601).
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
  """Augmentation of training clips, all frames of a clip alike.

  The papers name the kinds (2103.03206 §4.2) and none of the amounts, which
  are chosen here.

  Attributes:
    min_area: smallest area of an Inception crop, as a part of the frame; 1 with
      a `max_aspect` of 1 is the central crop.
    max_aspect: largest factor between the aspect ratios of the crop and of the
      result.
    flip: whether half of the clips are flipped horizontally.
    brightness: largest change of brightness, as a part of the full range.
    contrast: largest relative change of contrast.
    saturation: largest relative change of saturation.
  """

  min_area: float = 0.3
  max_aspect: float = 4 / 3
  flip: bool = True
  brightness: float = 0.125
  contrast: float = 0.4
  saturation: float = 0.4

  def __post_init__(self) -> None:
    shares = dict.fromkeys(("brightness", "contrast", "saturation"), "[0, 1]")
    bounds.check_ranges(self, "max_aspect", min_area="(0, 1]", **shares)


# Whole frames as they are, or their centre if they have another shape.
NO_AUGMENTATION = AugmentationConfig(
  min_area=1.0,
  max_aspect=1.0,
  flip=False,
  brightness=0.0,
  contrast=0.0,
  saturation=0.0,
)


# ------------------------------------------------------------------------ time


def random_start(
  length: int, num_frames: int, generator: np.random.Generator
) -> int:
  """Samples the first frame of a segment; 0 if the clip is no longer than it.

  Args:
    length: frames of the clip.
    num_frames: frames of the segment.
    generator: random generator.
  """
  return int(generator.integers(max(0, length - num_frames) + 1))


def regular_starts(length: int, num_frames: int, count: int) -> list[int]:
  """Returns the first frames of `count` segments evenly spaced over a clip.

  The first begins with the clip and the last ends with it; a single one is
  central.
  """
  last = max(0, length - num_frames)
  if count == 1:
    return [last // 2]
  return [round(i * last / (count - 1)) for i in range(count)]


def segment(clip: clips.Clip, start: int, num_frames: int) -> clips.Clip:
  """Returns a segment of a clip: decoded frames, and exactly their audio.

  A clip that ends too early is padded with its last frame and silence.

  Args:
    clip: the clip.
    start: number of the first frame.
    num_frames: length of the segment, frames.

  Raises:
    ValueError: if the segment begins outside the clip.
  """
  if not 0 <= start < len(clip.frames):
    raise ValueError(
      f"clip {clip.name}: a segment is to begin with frame {start} of "
      f"{len(clip.frames)}"
    )
  frames = clip.frames[start : start + num_frames]  # [T, H, W, 3]
  missing = num_frames - len(frames)
  frames = np.pad(frames, ((0, missing), *[(0, 0)] * 3), mode="edge")
  ratio = clips.samples_per_frame(clip)
  audio = clip.audio[start * ratio : (start + num_frames) * ratio]
  missing = num_frames * ratio - len(audio)
  audio = np.pad(audio, ((0, missing), (0, 0)))
  return clip._replace(frames=frames, audio=audio)


# ----------------------------------------------------------------------- space


def augment(
  frames: np.ndarray,  # [T, h, w, 3] uint8
  size: tuple[int, int],
  generator: np.random.Generator,
  config: AugmentationConfig,
) -> np.ndarray:  # [T, H, W, 3] uint8
  """Crops, resizes, flips and recolours the frames of a clip, all alike.

  Args:
    frames: the frames.
    size: height and width of the result, pixels.
    generator: random generator.
    config: ranges of the changes.
  """
  box = random_box(frames.shape[1:3], size, generator, config)
  frames = resize(frames, size, box)
  if config.flip and generator.integers(2):
    frames = frames[:, :, ::-1]
  return recolour(frames, generator, config)


def centre_crop(
  frames: np.ndarray,  # [T, h, w, 3] uint8
  size: tuple[int, int],
) -> np.ndarray:  # [T, H, W, 3] uint8
  """Returns the largest central crop of the right aspect ratio, resized."""
  return resize(frames, size, _centre_box(frames.shape[1:3], size))


def random_box(
  shape: Sequence[int],
  size: tuple[int, int],
  generator: np.random.Generator,
  config: AugmentationConfig,
) -> tuple[float, float, float, float]:
  """Samples an Inception crop: area uniform, aspect ratio log-uniform.

  Args:
    shape: height and width of the frame, pixels.
    size: height and width that the crop is resized to.
    generator: random generator.
    config: the ranges.

  Returns:
    Left, top, right and bottom, in pixels, within the frame. After ten boxes
    that do not fit into it, the largest central crop.
  """
  height, width = shape
  for _ in range(10):
    area = generator.uniform(config.min_area, 1) * height * width
    reach = math.log(config.max_aspect)
    aspect = size[1] / size[0] * math.exp(generator.uniform(-reach, reach))
    wide, tall = math.sqrt(area * aspect), math.sqrt(area / aspect)
    if wide <= width and tall <= height:
      left, top = generator.uniform(0, (width - wide, height - tall))
      return left, top, left + wide, top + tall
  return _centre_box(shape, size)


def _centre_box(
  shape: Sequence[int], size: tuple[int, int]
) -> tuple[float, float, float, float]:
  scale = min(shape[0] / size[0], shape[1] / size[1])
  tall, wide = scale * size[0], scale * size[1]
  top, left = (shape[0] - tall) / 2, (shape[1] - wide) / 2
  return left, top, left + wide, top + tall


def resize(
  frames: np.ndarray,  # [T, h, w, 3] uint8
  size: tuple[int, int],
  box: tuple[float, float, float, float],
) -> np.ndarray:  # [T, H, W, 3] uint8
  """Resizes a part of all frames, bilinearly and without aliasing.

  Args:
    frames: the frames.
    size: height and width of the result, pixels.
    box: left, top, right and bottom of the part, pixels.
  """
  height, width = frames.shape[1:3]
  if (height, width) == tuple(size) and box == (0, 0, width, height):
    return frames
  return np.stack(
    [
      np.asarray(
        Image.fromarray(frame).resize(
          (size[1], size[0]), Image.Resampling.BILINEAR, box=box
        )
      )
      for frame in frames
    ]
  )


def recolour(
  frames: np.ndarray,  # [T, H, W, 3] uint8
  generator: np.random.Generator,
  config: AugmentationConfig,
) -> np.ndarray:  # [T, H, W, 3] uint8
  """Changes saturation, contrast and brightness of all frames alike."""
  amounts = (config.saturation, config.contrast, config.brightness)
  saturation, contrast, brightness = (generator.uniform(-x, x) for x in amounts)
  if not any(amounts):
    return frames
  pixels = frames.astype(np.float32)
  grey = (pixels @ _LUMA)[..., None]  # [T, H, W, 1]
  pixels = grey + (1 + saturation) * (pixels - grey)
  mean = np.mean(grey)
  pixels = mean + (1 + contrast) * (pixels - mean) + 255 * brightness
  return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
