"""Pairs of frames in files."""

import pickle

import numpy as np
from PIL import Image
import pytest

from experiments.data import files
from experiments.optical_flow.benchmarks import flow_files
from experiments.optical_flow.benchmarks import pairs

SIZE = (5, 7)  # both odd


def pixels(seed, size=SIZE):
  return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def save(path, image):
  Image.fromarray(image).save(path)
  return path


def mask(path, *white, size=SIZE):
  """Writes a mask that is white at some (row, column)."""
  image = np.zeros(size, np.uint8)
  for position in white:
    image[position] = 255
  return save(path, image)


@pytest.fixture
def frames(tmp_path):
  return (
    save(tmp_path / "one.png", pixels(0)),
    save(tmp_path / "two.png", pixels(1)),
  )


@pytest.fixture
def flow(tmp_path):
  """Returns a file of the flow (3, -2), unknown at row 0, column 1."""
  values = np.tile(np.float32([3, -2]), (*SIZE, 1))
  values[0, 1] = 1e10
  flow_files.write_flo(tmp_path / "a.flo", values)
  return tmp_path / "a.flo"


def test_flow_and_masks_are_read(tmp_path, frames, flow):
  pair = pairs.Pair(
    name="a",
    frames=frames,
    flow=flow,
    occluded=mask(tmp_path / "occluded.png", (4, 6)),
    invalid=mask(tmp_path / "invalid.png", (2, 3)),
  )
  example = pairs.read(pair)
  assert example.name == "a"
  np.testing.assert_array_equal(example.frames, [pixels(0), pixels(1)])
  assert np.argwhere(~example.valid).tolist() == [[0, 1], [2, 3]]
  assert example.flow[0, 0].tolist() == [3, -2]
  assert example.flow[2, 3].tolist() == [0, 0]
  assert np.argwhere(example.occluded).tolist() == [[4, 6]]
  assert set(pair.paths()) == set(tmp_path.iterdir())


def test_without_files_of_flow_nothing_is_valid(frames):
  example = pairs.read(pairs.Pair(name="a", frames=frames))
  assert example.flow.shape == (5, 7, 2)
  assert not example.flow.any()
  assert not example.valid.any()
  assert example.occluded is None


def test_pixels_that_are_not_visible_are_occluded(tmp_path, frames):
  """KITTI has the flow of all pixels, and of the visible ones."""
  everywhere = np.ones((*SIZE, 2), np.float32)
  everywhere[0, 0] = 999  # unknown, which is not occluded
  visible = everywhere.copy()
  visible[3, 4] = 999
  for name, values in (("occ.png", everywhere), ("noc.png", visible)):
    flow_files.write_kitti(tmp_path / name, values)
  example = pairs.read(
    pairs.Pair(
      name="a",
      frames=frames,
      flow=tmp_path / "occ.png",
      flow_visible=tmp_path / "noc.png",
    )
  )
  assert np.argwhere(~example.valid).tolist() == [[0, 0]]
  assert np.argwhere(example.occluded).tolist() == [[3, 4]]


def test_the_threshold_of_a_mask_is_half(tmp_path, frames):
  image = np.zeros(SIZE, np.uint8)
  image[0, :3] = [127, 128, 1]
  path = save(tmp_path / "mask.png", image)
  example = pairs.read(pairs.Pair(name="a", frames=frames, occluded=path))
  assert np.argwhere(example.occluded).tolist() == [[0, 1]]


def test_frames_of_all_formats_are_read(tmp_path, frames):
  grey = pixels(2)[..., 0]
  alpha = np.concatenate([pixels(3), pixels(4)[..., :1]], axis=-1)
  deep = np.arange(35, dtype=np.uint16).reshape(SIZE) * 1000
  expected = {
    "grey.png": (grey, np.repeat(grey[..., None], 3, -1)),
    "alpha.png": (alpha, pixels(3)),
    "deep.png": (deep, np.repeat((deep // 256)[..., None], 3, -1)),
  }
  for name, (image, rgb) in expected.items():
    second = save(tmp_path / name, image)
    example = pairs.read(pairs.Pair(name="a", frames=(frames[0], second)))
    np.testing.assert_array_equal(example.frames[1], rgb)


def test_another_size_is_refused(tmp_path, frames, flow):
  small = (5, 6)
  other_frame = save(tmp_path / "other.png", pixels(0, small))
  other_flow = tmp_path / "other.flo"
  flow_files.write_flo(other_flow, np.zeros((*small, 2)))
  other_mask = mask(tmp_path / "mask.png", size=small)
  whole = pairs.Pair(name="a", frames=frames, flow=flow)
  for change in (
    {"frames": (frames[0], other_frame)},
    {"flow": other_flow},
    {"flow_visible": other_flow},
    {"occluded": other_mask},
    {"invalid": other_mask},
  ):
    pair = pairs.Pair(**(vars(whole) | change))
    (path,) = set(pair.paths()) - set(whole.paths())
    message = f"{path} has 5 × 6 pixels; expected 5 × 7 as {frames[0]}"
    with pytest.raises(files.InputError, match=message):
      pairs.read(pair)


@pytest.mark.parametrize("name", ["two.png", "a.flo"])
@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_file_that_cannot_be_read_is_named(
  tmp_path, frames, flow, name, content
):
  if content is None:
    (tmp_path / name).unlink()
  else:
    (tmp_path / name).write_bytes(content)
  with pytest.raises(files.InputError, match=name):
    pairs.read(pairs.Pair(name="a", frames=frames, flow=flow))


def test_a_source_reads_examples_one_by_one(tmp_path, frames, flow):
  good = pairs.Pair(name="good", frames=frames, flow=flow)
  bad = pairs.Pair(name="bad", frames=(frames[0], tmp_path / "none.png"))
  source = pairs.PairSource((good, bad, good), expected=9)
  source = pickle.loads(pickle.dumps(source))
  assert len(source) == 3
  assert source.expected == 9
  assert source[2].name == "good"
  with pytest.raises(files.InputError, match=r"none\.png"):
    source[1]
  assert [x.name for x in pairs.PairSource((good, good))] == ["good", "good"]


def test_neighbouring_frames(tmp_path):
  for folder, names in (("a", ["f9", "f10", "f11"]), ("b", ["f1", "f2"])):
    (tmp_path / folder).mkdir()
    for name in names:
      save(tmp_path / folder / f"{name}.png", pixels(0))
  source = pairs.consecutive([tmp_path / "a", tmp_path / "b"])
  assert [x.name for x in source] == ["f9", "f10", "f1"]
  second = [x.frames[1].name for x in source.pairs]
  assert second == ["f10.png", "f11.png", "f2.png"]


def test_one_frame_is_no_pair(tmp_path):
  for name in ("a", "b"):
    (tmp_path / name).mkdir()
    save(tmp_path / name / "one.png", pixels(0))
  with pytest.raises(files.InputError, match="at least two frames"):
    pairs.consecutive([tmp_path / "a", tmp_path / "b"])
