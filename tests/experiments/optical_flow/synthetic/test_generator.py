import dataclasses
import itertools
import pickle

import numpy as np
from PIL import Image
import pytest

from experiments.data import files
from experiments.optical_flow.augmentation import backward_flow
from experiments.optical_flow.synthetic import generator
from experiments.optical_flow.synthetic import motions
from experiments.optical_flow.synthetic import scenes
from experiments.optical_flow.synthetic import textures

_SIZE = (48, 64)
_CONFIG = generator.GeneratorConfig(size=_SIZE, num_examples=50, seed=7)
_CLEAR = dataclasses.replace(_CONFIG, motion_blur=0.0, fog=0.0, noise=0.0)


def _same(one, other):
  return one.name == other.name and all(
    np.array_equal(getattr(one, field), getattr(other, field))
    for field in ("frames", "flow", "valid", "occluded")
  )


def test_examples_depend_on_their_number_alone():
  source = generator.Generator(_CONFIG)
  assert len(source) == 50
  forwards = [source[i] for i in range(6)]
  again = generator.Generator(_CONFIG)
  backwards = [again[i] for i in reversed(range(6))][::-1]
  assert all(map(_same, forwards, backwards))
  for one, other in itertools.pairwise(forwards):
    assert not np.array_equal(one.frames, other.frames)
    assert not np.array_equal(one.flow, other.flow)


def test_more_examples_do_not_change_the_first_ones():
  more = generator.Generator(dataclasses.replace(_CONFIG, num_examples=99))
  assert _same(more[3], generator.Generator(_CONFIG)[3])


def test_another_seed_gives_other_examples():
  other = generator.Generator(dataclasses.replace(_CONFIG, seed=8))
  source = generator.Generator(_CONFIG)
  for i in range(3):
    assert not np.array_equal(source[i].flow, other[i].flow)
  # Nor is one the continuation of the other.
  assert not np.array_equal(source[8].flow, other[7].flow)


def test_a_generator_survives_pickling():
  source = generator.Generator(_CONFIG)
  assert _same(pickle.loads(pickle.dumps(source))[4], source[4])


def test_numpy_numbers_are_taken_and_others_refused():
  source = generator.Generator(_CONFIG)
  assert _same(source[np.int64(4)], source[4])
  assert source[4].name == "synthetic_7_000004"
  for index in (-1, 50):
    with pytest.raises(IndexError, match=f"50 examples, and no {index}"):
      source[index]


def test_an_example_has_the_configured_size_and_flow_everywhere():
  for size in ((24, 32), (37, 61), (8, 8), (64, 16)):
    config = dataclasses.replace(_CONFIG, size=size)
    for index in range(5):
      example = generator.Generator(config)[index]
      assert example.frames.shape == (2, *size, 3)
      assert example.frames.std() > 2
      assert example.valid.all()
      assert np.isfinite(example.flow).all()


def test_the_number_of_objects_is_in_its_range():
  config = dataclasses.replace(_CONFIG, min_objects=1, max_objects=3)
  source = generator.Generator(config)
  counts = {len(source.scene(i).layers) - 1 for i in range(30)}
  assert counts == {1, 2, 3}


def test_motions_are_of_all_sizes():
  source = generator.Generator(dataclasses.replace(_CONFIG, num_examples=99))
  speeds = np.concatenate(
    [np.hypot(*source[i].flow.reshape(-1, 2).T) for i in range(60)]
  )
  low, middle, high = np.percentile(speeds, [5, 50, 98])
  assert low < 1.5
  assert 1.5 < middle < 6
  assert high > 8


def _still(**changes):
  none = {
    "translation": 0,
    "rotation": 0,
    "zoom": 1,
    "shear": 0,
    "thin_plates": 0,
  }
  return motions.MotionConfig(**{**none, **changes})


def test_still_layers_have_no_flow():
  config = dataclasses.replace(
    _CLEAR, background_motion=_still(), object_motion=_still()
  )
  example = generator.Generator(config)[0]
  np.testing.assert_allclose(example.flow, 0, atol=1e-6)
  np.testing.assert_array_equal(example.frames[0], example.frames[1])
  assert not example.occluded.any()


def test_a_background_rotates_about_the_middle():
  config = dataclasses.replace(
    _CLEAR, max_objects=0, min_objects=0, background_motion=_still(rotation=20)
  )
  flow = generator.Generator(config)[0].flow
  y, x = np.indices(_SIZE) - (np.array(_SIZE)[:, None, None] - 1) / 2
  speed = np.hypot(*flow.transpose(2, 0, 1))
  # The speed is proportional to the distance from the middle, the chord of the
  # rotation.
  rate = speed / np.hypot(x, y)
  np.testing.assert_allclose(rate, rate[0, 0], rtol=1e-3)
  assert 0 < rate[0, 0] < 2 * np.sin(np.radians(10))


# -------------------------------------------------------------- frames and flow


def _interpolate(image, x, y):
  """Interpolates an image [H, W, ...] at points [P]."""
  height, width = image.shape[:2]
  left = np.clip(np.floor(x).astype(int), 0, width - 2)
  top = np.clip(np.floor(y).astype(int), 0, height - 2)
  x, y = (x - left)[:, None], (y - top)[:, None]
  upper = (1 - x) * image[top, left] + x * image[top, left + 1]
  lower = (1 - x) * image[top + 1, left] + x * image[top + 1, left + 1]
  return (1 - y) * upper + y * lower


def _edges(owner):
  """Returns the pixels with another layer within two pixels."""
  padded = np.pad(owner, 2, mode="edge")
  height, width = owner.shape
  around = [
    padded[y : y + height, x : x + width] for y in range(5) for x in range(5)
  ]
  return np.max(around, axis=0) != np.min(around, axis=0)


def _errors(source, index, first):
  """Returns differences of colours along the flow, and without it."""
  scene = source.scene(index)
  owners = [scenes.render(scene, i)[1] for i in (first, 1 - first)]
  example = source.backward(index) if first else source[index]
  y, x = np.indices(_SIZE) + example.flow.transpose(2, 0, 1)[::-1]
  counts = ~example.occluded & ~_edges(owners[0])
  counts &= (x >= 0) & (x <= _SIZE[1] - 1) & (y >= 0) & (y <= _SIZE[0] - 1)
  x, y = x[counts], y[counts]
  edge = _edges(owners[1])[..., None].astype(float)
  clear = _interpolate(edge, x, y)[:, 0] == 0
  before, after = example.frames.astype(float)
  moved = np.abs(_interpolate(after, x, y) - before[counts])[clear]
  still = np.abs(after - before)[counts][clear]
  return moved, still


@pytest.mark.parametrize("first", [0, 1])
def test_smooth_textures_are_equal_along_the_flow(first):
  smooth = textures.TextureConfig(noise=0, stripes=0, grain=0)
  source = generator.Generator(dataclasses.replace(_CLEAR, textures=smooth))
  errors = [_errors(source, i, first) for i in range(12)]
  moved, still = (np.concatenate(x) for x in zip(*errors))
  assert len(moved) > 0.3 * 12 * _SIZE[0] * _SIZE[1]
  # Both frames are rounded to whole numbers, by half a level at most.
  assert moved.mean() < 0.6
  assert np.percentile(moved, 99) < 3
  assert still.mean() > 3


@pytest.mark.parametrize("first", [0, 1])
def test_rough_textures_are_similar_along_the_flow(first):
  source = generator.Generator(_CLEAR)
  errors = [_errors(source, i, first) for i in range(12)]
  moved, still = (np.concatenate(x) for x in zip(*errors))
  # The error of interpolating details of three pixels remains.
  assert moved.mean() < 0.2 * still.mean()


def test_fog_lowers_contrast_and_changes_no_flow():
  config = dataclasses.replace(_CLEAR, fog=1.0, max_fog=1.0)
  clear, foggy = (generator.Generator(c) for c in (_CLEAR, config))
  contrast = np.array(
    [[s[i].frames.std() for s in (clear, foggy)] for i in range(10)]
  )
  assert np.all(contrast[:, 1] < 1.05 * contrast[:, 0])
  assert contrast[:, 1].mean() < 0.9 * contrast[:, 0].mean()
  assert np.array_equal(clear[0].flow, foggy[0].flow)


def test_noise_differs_between_frames():
  still = dataclasses.replace(
    _CLEAR, background_motion=_still(), object_motion=_still()
  )
  noisy = dataclasses.replace(still, noise=1.0, max_noise=20.0)
  for index in range(3):
    before, after = generator.Generator(noisy)[index].frames.astype(float)
    plain = generator.Generator(still)[index].frames[0]
    assert 0.1 < (before - plain).std() < 20
    # Independent noise has √2 times the deviation in the difference.
    ratio = (after - before).std() / (before - plain).std()
    assert ratio == pytest.approx(2**0.5, abs=0.15)


def test_blur_has_its_share():
  config = dataclasses.replace(_CONFIG, motion_blur=0.25, max_shutter=0.8)
  source = generator.Generator(config)
  shutters = [source.scene(i).shutter for i in range(50)]
  assert 4 < sum(x > 0 for x in shutters) < 22
  assert 0.4 < max(shutters) <= 0.8


# --------------------------------------------------------------- backward flow


def test_a_backward_example_has_the_same_frames_in_the_other_order():
  source = generator.Generator(_CONFIG)
  for index in range(5):
    there, back = source[index], source.backward(index)
    np.testing.assert_array_equal(back.frames, there.frames[::-1])
    assert back.name == there.name + "_backward"
    assert back.valid.all()


def test_backward_flow_is_the_inverse_of_the_flow():
  source = generator.Generator(_CONFIG)
  total = 0
  for index in range(8):
    there, back = source[index], source.backward(index)
    scene = source.scene(index)
    owners = [scenes.render(scene, i)[1] for i in (0, 1)]
    rows, columns = np.nonzero(~there.occluded & ~_edges(owners[0]))
    flow = there.flow[rows, columns]
    x, y = columns + flow[:, 0], rows + flow[:, 1]
    edge = _edges(owners[1])[..., None].astype(float)
    clear = _interpolate(edge, x, y)[:, 0] == 0
    clear &= (x >= 0) & (x <= _SIZE[1] - 1) & (y >= 0) & (y <= _SIZE[0] - 1)
    back_flow = _interpolate(back.flow, x, y)
    # Thin plates are not linear between pixels.
    np.testing.assert_allclose(-back_flow[clear], flow[clear], atol=0.05)
    total += int(clear.sum())
  assert total > 8 * 500


def test_exact_and_approximate_backward_flow_agree():
  """Compares them without occlusions."""
  config = dataclasses.replace(
    _CLEAR,
    min_objects=0,
    max_objects=0,
    background_motion=motions.MotionConfig(
      translation=0.1, rotation=6, zoom=1.1
    ),
  )
  source = generator.Generator(config)
  for index in range(8):
    exact = source.backward(index)
    mean = backward_flow.approximate(source[index])
    assert np.mean(mean.valid & ~exact.occluded) > 0.6
    np.testing.assert_array_equal(mean.frames, exact.frames)
    apart = np.hypot(*(mean.flow - exact.flow)[mean.valid].T)
    # A flow ends up to 0.71 pixels beside a pixel, and changes by up to some
    # 0.2 pixels per pixel.
    assert apart.max() < 0.25
    assert apart.mean() < 0.06


# -------------------------------------------------------------------- refusals


def test_textures_of_a_folder_are_used(tmp_path):
  Image.new("RGB", (90, 70), (10, 200, 30)).save(tmp_path / "green.png")
  config = dataclasses.replace(
    _CLEAR,
    textures=textures.TextureConfig(folder=tmp_path, folder_share=1.0),
  )
  frames = generator.Generator(config)[0].frames
  np.testing.assert_array_equal(
    frames, np.broadcast_to(np.uint8([10, 200, 30]), frames.shape)
  )


def test_folders_that_cannot_be_used_are_named(tmp_path):
  def make(folder):
    config = textures.TextureConfig(folder=folder, folder_share=1.0)
    return generator.Generator(dataclasses.replace(_CONFIG, textures=config))

  with pytest.raises(FileNotFoundError, match="nowhere"):
    make(tmp_path / "nowhere")
  with pytest.raises(files.InputError, match="has no images"):
    make(tmp_path)
  (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
  with pytest.raises(files.InputError, match=r"broken\.png is not a readable"):
    make(tmp_path)[0]


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    (
      {"size": (7, 64)},
      r"size is \(7, 64\); expected a height and a width of at",
    ),
    ({"size": (64,)}, "a height and a width"),
    ({"num_examples": 0}, r"num_examples is 0; expected \[1, "),
    ({"seed": -1}, r"seed is -1; expected \[0, "),
    ({"min_objects": 11}, r"min_objects is 11; expected \[0, 10\]"),
    ({"motion_blur": 1.5}, r"motion_blur is 1.5; expected \[0, 1\]"),
    ({"max_shutter": -0.1}, "max_shutter"),
    ({"max_fog": 2}, "max_fog"),
    ({"max_noise": float("nan")}, "max_noise"),
  ],
)
def test_impossible_generators_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    generator.GeneratorConfig(**changes)
