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


def test_more_examples_leave_the_first_ones_as_they_are():
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
  assert source[4].name == "generated_7_000004"
  for index in (-1, 50):
    with pytest.raises(IndexError, match=f"50 examples, and no {index}"):
      source[index]


def test_an_example_has_the_asked_for_size_and_flow_everywhere():
  for size in ((24, 32), (37, 61), (8, 8), (64, 16)):
    config = dataclasses.replace(_CONFIG, size=size)
    for index in range(5):
      seen = generator.Generator(config)[index]
      assert seen.frames.shape == (2, *size, 3)
      assert seen.frames.std() > 2
      assert seen.valid.all()
      assert np.isfinite(seen.flow).all()


def test_the_number_of_objects_is_as_asked_for():
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
  none = {"shift": 0, "turn": 0, "zoom": 1, "shear": 0, "thin_plates": 0}
  return motions.MotionConfig(**{**none, **changes})


def test_what_does_not_move_has_no_flow():
  config = dataclasses.replace(
    _CLEAR, background_motion=_still(), object_motion=_still()
  )
  seen = generator.Generator(config)[0]
  np.testing.assert_allclose(seen.flow, 0, atol=1e-6)
  np.testing.assert_array_equal(seen.frames[0], seen.frames[1])
  assert not seen.occluded.any()


def test_a_background_that_turns_turns_about_the_middle():
  config = dataclasses.replace(
    _CLEAR, max_objects=0, min_objects=0, background_motion=_still(turn=20)
  )
  flow = generator.Generator(config)[0].flow
  y, x = np.indices(_SIZE) - (np.array(_SIZE)[:, None, None] - 1) / 2
  speed = np.hypot(*flow.transpose(2, 0, 1))
  # As fast as far from the middle, to which it is at right angles but for half
  # of the turn.
  rate = speed / np.hypot(x, y)
  np.testing.assert_allclose(rate, rate[0, 0], rtol=1e-3)
  assert 0 < rate[0, 0] < 2 * np.sin(np.radians(10))


# -------------------------------------------------------------- frames and flow


def _read(image, x, y):
  """Interpolates an image [H, W, ...] at points [P]."""
  height, width = image.shape[:2]
  left = np.clip(np.floor(x).astype(int), 0, width - 2)
  top = np.clip(np.floor(y).astype(int), 0, height - 2)
  x, y = (x - left)[:, None], (y - top)[:, None]
  upper = (1 - x) * image[top, left] + x * image[top, left + 1]
  lower = (1 - x) * image[top + 1, left] + x * image[top + 1, left + 1]
  return (1 - y) * upper + y * lower


def _edges(owner):
  """Pixels with another layer within two pixels."""
  padded = np.pad(owner, 2, mode="edge")
  height, width = owner.shape
  around = [
    padded[y : y + height, x : x + width] for y in range(5) for x in range(5)
  ]
  return np.max(around, axis=0) != np.min(around, axis=0)


def _errors(source, index, first):
  """How different colours are where the flow leads, and where it does not."""
  scene = source.scene(index)
  owners = [scenes.render(scene, i)[1] for i in (first, 1 - first)]
  seen = source.backward(index) if first else source[index]
  y, x = np.indices(_SIZE) + seen.flow.transpose(2, 0, 1)[::-1]
  counts = ~seen.occluded & ~_edges(owners[0])
  counts &= (x >= 0) & (x <= _SIZE[1] - 1) & (y >= 0) & (y <= _SIZE[0] - 1)
  x, y = x[counts], y[counts]
  edge = _edges(owners[1])[..., None].astype(float)
  clear = _read(edge, x, y)[:, 0] == 0
  before, after = seen.frames.astype(float)
  moved = np.abs(_read(after, x, y) - before[counts])[clear]
  still = np.abs(after - before)[counts][clear]
  return moved, still


@pytest.mark.parametrize("first", [0, 1])
def test_smooth_textures_look_the_same_where_the_flow_leads(first):
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
def test_rough_textures_look_alike_where_the_flow_leads(first):
  source = generator.Generator(_CLEAR)
  errors = [_errors(source, i, first) for i in range(12)]
  moved, still = (np.concatenate(x) for x in zip(*errors))
  # What interpolation does to details of three pixels remains.
  assert moved.mean() < 0.2 * still.mean()


def test_fog_lowers_contrast_and_stays_where_it_is():
  config = dataclasses.replace(_CLEAR, fog=1.0, max_fog=1.0)
  clear, foggy = (generator.Generator(c) for c in (_CLEAR, config))
  spread = np.array(
    [[s[i].frames.std() for s in (clear, foggy)] for i in range(10)]
  )
  assert np.all(spread[:, 1] < 1.05 * spread[:, 0])
  assert spread[:, 1].mean() < 0.9 * spread[:, 0].mean()
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
    # Independent noise has √2 times the spread in the difference.
    ratio = (after - before).std() / (before - plain).std()
    assert ratio == pytest.approx(2**0.5, abs=0.15)


def test_blur_is_as_frequent_as_asked_for():
  config = dataclasses.replace(_CONFIG, motion_blur=0.25, max_shutter=0.8)
  source = generator.Generator(config)
  shutters = [source.scene(i).shutter for i in range(50)]
  assert 4 < sum(x > 0 for x in shutters) < 22
  assert 0.4 < max(shutters) <= 0.8


# ------------------------------------------------------------------- backwards


def test_a_backward_has_the_same_frames_in_the_other_order():
  source = generator.Generator(_CONFIG)
  for index in range(5):
    there, back = source[index], source.backward(index)
    np.testing.assert_array_equal(back.frames, there.frames[::-1])
    assert back.name == there.name + "_backward"
    assert back.valid.all()


def test_flow_leads_back_to_where_it_came_from():
  source = generator.Generator(_CONFIG)
  total = 0
  for index in range(8):
    there, back = source[index], source.backward(index)
    scene = source.scene(index)
    owners = [scenes.render(scene, i)[1] for i in (0, 1)]
    rows, columns = np.nonzero(~there.occluded & ~_edges(owners[0]))
    away = there.flow[rows, columns]
    x, y = columns + away[:, 0], rows + away[:, 1]
    edge = _edges(owners[1])[..., None].astype(float)
    clear = _read(edge, x, y)[:, 0] == 0
    clear &= (x >= 0) & (x <= _SIZE[1] - 1) & (y >= 0) & (y <= _SIZE[0] - 1)
    home = _read(back.flow, x, y)
    # Thin plates are not straight between pixels, which is all that is lost.
    np.testing.assert_allclose(-home[clear], away[clear], atol=0.05)
    total += int(clear.sum())
  assert total > 8 * 500


def test_exact_and_approximate_reverse_flow_agree():
  """Where nothing is hidden, the mean of what lands on a pixel is its flow."""
  config = dataclasses.replace(
    _CLEAR,
    min_objects=0,
    max_objects=0,
    background_motion=motions.MotionConfig(shift=0.1, turn=6, zoom=1.1),
  )
  source = generator.Generator(config)
  for index in range(8):
    exact = source.backward(index)
    mean = backward_flow.approximate(source[index])
    assert np.mean(mean.valid & ~exact.occluded) > 0.6
    np.testing.assert_array_equal(mean.frames, exact.frames)
    apart = np.hypot(*(mean.flow - exact.flow)[mean.valid].T)
    # A flow lands up to 0.71 pixels beside a pixel, and changes by up to some
    # 0.2 pixels per pixel.
    assert apart.max() < 0.25
    assert apart.mean() < 0.06


# --------------------------------------------------------- what cannot be made


def test_textures_of_a_folder_are_seen(tmp_path):
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
    ({"size": (7, 64)}, r"size must be .* at least 8 pixels, not \(7, 64\)"),
    ({"size": (64,)}, "a height and a width"),
    ({"num_examples": 0}, "num_examples must be between 1"),
    ({"seed": -1}, "seed must be between 0"),
    ({"min_objects": 11}, r"min_objects must be between 0 and 10, not 11"),
    ({"motion_blur": 1.5}, "motion_blur must be between 0 and 1, not 1.5"),
    ({"max_shutter": -0.1}, "max_shutter"),
    ({"max_fog": 2}, "max_fog"),
    ({"max_noise": float("nan")}, "max_noise"),
  ],
)
def test_impossible_generators_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    generator.GeneratorConfig(**changes)
