"""Pairs of frames with exact flow, made without any data.

In the spirit of AutoFlow (Sun et al., 2021, arXiv 2104.14544): objects with
soft edges, holes and textures of all scales fly over a background, each with a
motion of its own, under motion blur, fog and noise. AutoFlow's generator and
the settings that it found are not published; those here were chosen by eye.
"""

import dataclasses
import math
import operator

import numpy as np

from experiments.optical_flow import examples
from experiments.optical_flow.synthetic import motions
from experiments.optical_flow.synthetic import scenes
from experiments.optical_flow.synthetic import shapes as synthetic_shapes
from experiments.optical_flow.synthetic import textures as synthetic_textures

_BACKGROUND_SIZE = 1.25  # of its texture, in sizes of the frame
_MIN_SIZE = 8  # pixels


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
  """What is generated.

  Attributes:
    size: height and width of the frames, pixels.
    num_examples: how many pairs there are.
    seed: decides all pairs. Pairs of different seeds have nothing in common.
    min_objects: fewest objects in front of the background.
    max_objects: most objects.
    background_motion: how the background moves.
    object_motion: how objects move, whatever the background does.
    shapes: outlines of the objects.
    textures: of objects and background.
    motion_blur: share of pairs that are blurred along the motion.
    max_shutter: longest exposure of those, in times from frame to frame.
    fog: share of pairs in fog, which stands still.
    max_fog: how much of the light the thickest fog takes, from 0 to 1.
    noise: share of pairs with noise, which differs from frame to frame.
    max_noise: its largest standard deviation; the full range is 255.
  """

  size: tuple[int, int] = (368, 496)
  num_examples: int = 400_000
  seed: int = 0
  min_objects: int = 2
  max_objects: int = 10
  background_motion: motions.MotionConfig = motions.MotionConfig(
    shift=0.1, turn=8.0, zoom=1.12, shear=0.05
  )
  object_motion: motions.MotionConfig = motions.MotionConfig()
  shapes: synthetic_shapes.ShapeConfig = synthetic_shapes.ShapeConfig()
  textures: synthetic_textures.TextureConfig = (
    synthetic_textures.TextureConfig()
  )
  motion_blur: float = 0.2
  max_shutter: float = 0.5
  fog: float = 0.2
  max_fog: float = 0.6
  noise: float = 0.4
  max_noise: float = 8.0

  def __post_init__(self) -> None:
    ranges = {
      "num_examples": (1, 2**62),
      "seed": (0, 2**62),
      "min_objects": (0, self.max_objects),
      "max_objects": (self.min_objects, 1000),
      "motion_blur": (0, 1),
      "max_shutter": (0, 1),
      "fog": (0, 1),
      "max_fog": (0, 1),
      "noise": (0, 1),
      "max_noise": (0, 255),
    }
    for name, (low, high) in ranges.items():
      if not low <= getattr(self, name) <= high:
        raise ValueError(
          f"GeneratorConfig.{name} must be between {low} and {high}, not "
          f"{getattr(self, name)}"
        )
    if len(self.size) != 2 or min(self.size) < _MIN_SIZE:
      raise ValueError(
        "GeneratorConfig.size must be a height and a width of at least "
        f"{_MIN_SIZE} pixels, not {self.size}"
      )


class Generator:
  """Examples that are made when they are asked for.

  Example i depends on the configuration, the folder of textures and i alone.
  All flow is valid, also where it is occluded.
  """

  def __init__(self, config: GeneratorConfig) -> None:
    """Looks for the folder of textures, if there is one.

    Args:
      config: what to generate.

    Raises:
      FileNotFoundError: if the folder of textures is not there.
      files.InputError: if it has no images.
    """
    self._config = config
    self._images = synthetic_textures.list_folder(config.textures)

  def __len__(self) -> int:
    return self._config.num_examples

  def __getitem__(self, index: int) -> examples.FlowExample:
    """Returns an example.

    Raises:
      files.InputError: if an image of the folder of textures is damaged.
    """
    return self._example(index, first=0)

  def backward(self, index: int) -> examples.FlowExample:
    """Returns an example in backward order, with exact flow."""
    return self._example(index, first=1)

  def scene(self, index: int) -> scenes.Scene:
    """Returns the scene of an example."""
    return self._scene(self._numbers(index))

  def _example(self, index: int, first: int) -> examples.FlowExample:
    numbers = self._numbers(index)
    scene = self._scene(numbers)
    colours, owners = zip(*(scenes.render(scene, frame) for frame in (0, 1)))
    frames = _develop(self._config, np.stack(colours), numbers)
    name = f"generated_{self._config.seed}_{operator.index(index):06d}"
    return scenes.example(
      scene, frames, np.stack(owners), name + first * "_backward", first
    )

  def _numbers(self, index: int) -> np.random.Generator:
    """Returns what all of an example's randomness comes from."""
    index = operator.index(index)
    if not 0 <= index < len(self):
      raise IndexError(f"There are {len(self)} examples, and no {index}.")
    return np.random.default_rng((self._config.seed, index))

  def _scene(self, numbers: np.random.Generator) -> scenes.Scene:
    config = self._config
    count = numbers.integers(
      config.min_objects, config.max_objects, endpoint=True
    )
    layers = [self._background(numbers)]
    layers += [self._object(numbers) for _ in range(count)]
    blurred = numbers.uniform() < config.motion_blur
    shutter = config.max_shutter * numbers.uniform() if blurred else 0.0
    return scenes.Scene(size=config.size, layers=tuple(layers), shutter=shutter)

  def _background(self, numbers: np.random.Generator) -> scenes.Layer:
    height, width = self._config.size
    covered = np.ones(
      [math.ceil(_BACKGROUND_SIZE * n) for n in (height, width)], np.float32
    )
    middle = np.array([width - 1, height - 1]) / 2
    return self._layer(
      numbers, covered, middle, self._config.background_motion, endless=True
    )

  def _object(self, numbers: np.random.Generator) -> scenes.Layer:
    height, width = self._config.size
    covered = synthetic_shapes.draw(self._config.shapes, numbers, height)
    middle = numbers.uniform(0, 1, 2) * (width - 1, height - 1)
    return self._layer(numbers, covered, middle, self._config.object_motion)

  def _layer(
    self,
    numbers: np.random.Generator,
    covered: np.ndarray,  # [h, w]
    middle: np.ndarray,  # [2], where it is in the first frame
    motion: motions.MotionConfig,
    *,
    endless: bool = False,
  ) -> scenes.Layer:
    height = self._config.size[0]
    shape = covered.shape
    texture = synthetic_textures.draw(
      self._config.textures, self._images, numbers, shape, height
    )
    picture = np.concatenate([texture, np.ones((*shape, 1))], axis=-1)
    own_middle = np.array([shape[1] - 1, shape[0] - 1]) / 2
    return scenes.Layer(
      picture=(covered[..., None] * picture).astype(np.float32),
      pose=motions.about(
        own_middle, middle - own_middle, turn=numbers.uniform(0, 2 * math.pi)
      ),
      motion=motions.draw(
        motion, numbers, centre=middle, radius=max(shape) / 2, height=height
      ),
      endless=endless,
    )


def _develop(
  config: GeneratorConfig,
  colours: np.ndarray,  # [2, H, W, 3]
  numbers: np.random.Generator,
) -> np.ndarray:  # [2, H, W, 3] uint8
  """Adds fog and noise to both frames."""
  if numbers.uniform() < config.fog:
    height = config.size[0]
    field = 0.5 + 0.3 * synthetic_textures.noise(
      numbers, config.size, (height / 8, height)
    )
    thick = config.max_fog * numbers.uniform() * np.clip(field, 0, 1)
    grey = numbers.uniform(100, 255) + numbers.uniform(-20, 20, 3)
    colours += thick[..., None] * (grey.astype(np.float32) - colours)
  if numbers.uniform() < config.noise:
    strength = config.max_noise * numbers.uniform()
    fresh = numbers.standard_normal(colours.shape, np.float32)
    colours += np.float32(strength) * fresh
  return np.rint(np.clip(colours, 0, 255)).astype(np.uint8)
