"""Synthetic pairs of frames with exact flow.

In the spirit of AutoFlow (Sun et al., 2021, arXiv 2104.14544): objects with
soft edges, holes and textures of all scales move over a background, each with
a motion of its own, under motion blur, fog and noise. AutoFlow's generator and
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
from perceiver import bounds

_BACKGROUND_SIZE = 1.25  # of its texture, in sizes of the frame
_MIN_SIZE = 8  # pixels


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
  """Distribution of the synthetic pairs.

  Attributes:
    size: height and width of the frames, pixels.
    num_examples: number of pairs.
    seed: of all randomness. Pairs of different seeds are independent.
    min_objects: fewest objects in front of the background.
    max_objects: most objects.
    background_motion: motion of the background.
    object_motion: motion of objects, independent of the background's.
    shapes: outlines of the objects.
    textures: of objects and background.
    motion_blur: share of pairs that are blurred along the motion.
    max_shutter: their longest exposure, in times from frame to frame.
    fog: share of pairs in fog, which does not move.
    max_fog: largest opacity of the fog, from 0 to 1.
    noise: share of pairs with noise, which differs from frame to frame.
    max_noise: its largest standard deviation; the full range is 255.
  """

  size: tuple[int, int] = (368, 496)
  num_examples: int = 400_000
  seed: int = 0
  min_objects: int = 2
  max_objects: int = 10
  background_motion: motions.MotionConfig = motions.MotionConfig(
    translation=0.1, rotation=8.0, zoom=1.12, shear=0.05
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
    bounds.check_ranges(
      self,
      num_examples=f"[1, {2**62}]",
      seed=f"[0, {2**62}]",
      min_objects=f"[0, {self.max_objects}]",
      max_objects=f"[{self.min_objects}, 1000]",
      motion_blur="[0, 1]",
      max_shutter="[0, 1]",
      fog="[0, 1]",
      max_fog="[0, 1]",
      noise="[0, 1]",
      max_noise="[0, 255]",
    )
    if len(self.size) != 2 or min(self.size) < _MIN_SIZE:
      raise ValueError(
        f"GeneratorConfig: size is {self.size}; expected a height and a width "
        f"of at least {_MIN_SIZE} pixels."
      )


class Generator:
  """A source of synthetic examples.

  Example i depends on the configuration, the folder of textures and i alone.
  All flow is valid, also of occluded pixels.
  """

  def __init__(self, config: GeneratorConfig) -> None:
    """Lists the folder of textures, if the configuration has one.

    Args:
      config: distribution of the pairs.

    Raises:
      FileNotFoundError: if the folder of textures does not exist.
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
    return self._scene(self._generator(index))

  def _example(self, index: int, first: int) -> examples.FlowExample:
    generator = self._generator(index)
    scene = self._scene(generator)
    colours, owners = zip(*(scenes.render(scene, frame) for frame in (0, 1)))
    frames = _degrade(self._config, np.stack(colours), generator)
    name = f"synthetic_{self._config.seed}_{operator.index(index):06d}"
    return scenes.example(
      scene, frames, np.stack(owners), name + first * "_backward", first
    )

  def _generator(self, index: int) -> np.random.Generator:
    """Returns the random generator of an example."""
    index = operator.index(index)
    if not 0 <= index < len(self):
      raise IndexError(f"There are {len(self)} examples, and no {index}.")
    return np.random.default_rng((self._config.seed, index))

  def _scene(self, generator: np.random.Generator) -> scenes.Scene:
    config = self._config
    count = generator.integers(
      config.min_objects, config.max_objects, endpoint=True
    )
    layers = [self._background(generator)]
    layers += [self._object(generator) for _ in range(count)]
    blurred = generator.uniform() < config.motion_blur
    shutter = config.max_shutter * generator.uniform() if blurred else 0.0
    return scenes.Scene(size=config.size, layers=tuple(layers), shutter=shutter)

  def _background(self, generator: np.random.Generator) -> scenes.Layer:
    height, width = self._config.size
    coverage = np.ones(
      [math.ceil(_BACKGROUND_SIZE * n) for n in (height, width)], np.float32
    )
    centre = np.array([width - 1, height - 1]) / 2
    return self._layer(
      generator, coverage, centre, self._config.background_motion, endless=True
    )

  def _object(self, generator: np.random.Generator) -> scenes.Layer:
    height, width = self._config.size
    coverage = synthetic_shapes.sample(self._config.shapes, generator, height)
    centre = generator.uniform(0, 1, 2) * (width - 1, height - 1)
    return self._layer(generator, coverage, centre, self._config.object_motion)

  def _layer(
    self,
    generator: np.random.Generator,
    coverage: np.ndarray,  # [h, w]
    centre: np.ndarray,  # [2], its position in the first frame
    motion: motions.MotionConfig,
    *,
    endless: bool = False,
  ) -> scenes.Layer:
    height = self._config.size[0]
    shape = coverage.shape
    texture = synthetic_textures.sample(
      self._config.textures, self._images, generator, shape, height
    )
    image = np.concatenate([texture, np.ones((*shape, 1))], axis=-1)
    own_centre = np.array([shape[1] - 1, shape[0] - 1]) / 2
    angle = generator.uniform(0, 2 * math.pi)
    return scenes.Layer(
      image=(coverage[..., None] * image).astype(np.float32),
      pose=motions.about(own_centre, centre - own_centre, rotation=angle),
      motion=motions.sample(
        motion, generator, centre=centre, radius=max(shape) / 2, height=height
      ),
      endless=endless,
    )


def _degrade(
  config: GeneratorConfig,
  colours: np.ndarray,  # [2, H, W, 3]
  generator: np.random.Generator,
) -> np.ndarray:  # [2, H, W, 3] uint8
  """Adds fog and noise to both frames."""
  if generator.uniform() < config.fog:
    height = config.size[0]
    field = 0.5 + 0.3 * synthetic_textures.noise(
      generator, config.size, (height / 8, height)
    )
    opacity = config.max_fog * generator.uniform() * np.clip(field, 0, 1)
    grey = generator.uniform(100, 255) + generator.uniform(-20, 20, 3)
    colours += opacity[..., None] * (grey.astype(np.float32) - colours)
  if generator.uniform() < config.noise:
    strength = config.max_noise * generator.uniform()
    noise = generator.standard_normal(colours.shape, np.float32)
    colours += np.float32(strength) * noise
  return np.rint(np.clip(colours, 0, 255)).astype(np.uint8)
