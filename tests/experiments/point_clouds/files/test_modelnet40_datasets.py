"""A small copy of ModelNet40, in the folder it is published in."""

from concurrent import futures
import dataclasses
import io
import pathlib

import numpy as np
import pytest

from experiments.data import files
from experiments.point_clouds.files import datasets
from tests.helpers import foreign

TRAIN, TEST = datasets.Split.TRAIN, datasets.Split.TEST


def write(path, size):
  """Writes a square of the given size, in the plane z = size."""
  path.parent.mkdir(parents=True, exist_ok=True)
  corners = [(0, 0), (size, 0), (size, size), (0, size)]
  lines = [f"{x} {y} {size}" for x, y in corners]
  path.write_text("\n".join(["OFF4 1 0", *lines, "4 0 1 2 3", ""]))


@pytest.fixture
def root(tmp_path):
  """Two classes; names do not sort by their numbers."""
  for i, name in enumerate(("bathtub", "xbox")):
    for number, split in ((2, TRAIN), (10, TRAIN), (9, TRAIN), (11, TEST)):
      path = tmp_path / name / split.value / f"{name}_{number}.off"
      write(path, 100 * i + number)
  (tmp_path / "README.txt").touch()
  return tmp_path


def open_split(root, split=TRAIN, num_points=8, **changes):
  settings = {"allow_partial": True, **changes}
  config = datasets.ModelNet40(data_dir=root, split=split, **settings)
  return datasets.open_dataset(config, num_points)


def sizes(source):
  return [float(cloud.points[0, 2]) for cloud in source]


def test_splits_and_labels(root):
  source = open_split(root)
  assert len(source) == 6
  assert sizes(source) == [2, 9, 10, 102, 109, 110]
  assert [cloud.label for cloud in source] == [1] * 3 + [39] * 3
  assert sizes(open_split(root, TEST)) == [11, 111]


def test_points_lie_on_the_surface(root):
  cloud = open_split(root, num_points=500)[1]
  assert cloud.points.shape == (500, 3)
  assert cloud.points.dtype == np.float32
  assert np.all(cloud.points[:, 2] == 9)
  np.testing.assert_allclose(cloud.points.mean(axis=0)[:2], 4.5, atol=0.5)
  assert cloud.points.min() >= 0
  assert cloud.points.max() <= 9


def test_points_are_cached(root, tmp_path):
  cache = tmp_path / "elsewhere"
  first = [cloud.points for cloud in open_split(root, cache_dir=cache)]
  cached = cache / "8" / "train" / "bathtub_2.npy"
  np.testing.assert_array_equal(np.load(cached), first[0])
  assert not (root / "sampled_points").exists()
  (root / "bathtub" / "train" / "bathtub_2.off").write_text("no longer read")
  again = [cloud.points for cloud in open_split(root, cache_dir=cache)]
  np.testing.assert_array_equal(first, again)
  # Other numbers of points are cached apart.
  with pytest.raises(files.InputError, match=r"bathtub_2\.off: it begins with"):
    open_split(root, num_points=9, cache_dir=cache)[0]
  assert open_split(root, num_points=9, cache_dir=cache)[1].points.shape[0] == 9


def test_points_do_not_depend_on_the_order_of_reading(root):
  cached = [open_split(root)[i].points for i in reversed(range(6))][::-1]
  assert (root / "sampled_points" / "8" / "train" / "xbox_10.npy").exists()
  paths = open_split(root).paths
  fresh = [datasets.sample_points(path, 8) for path in paths]
  np.testing.assert_array_equal(cached, fresh)
  assert not np.array_equal(fresh[0][:, 0] / 2, fresh[1][:, 0] / 9)
  # The folder of the cache is no class.
  assert len(open_split(root)) == 6


def test_many_threads_may_read_one_shape(root):
  """As they do at the end of an evaluation, where the last is repeated."""
  for number in range(20):
    source = open_split(root, num_points=8 + number)
    with futures.ThreadPoolExecutor(8) as pool:
      found = [cloud.points for cloud in pool.map(source.__getitem__, [5] * 8)]
    np.testing.assert_array_equal(found, [found[0]] * 8)


def _npy(shape, kind="<f4"):
  """Returns a header of an array, without its numbers."""
  header = {"descr": kind, "fortran_order": False, "shape": shape}
  stream = io.BytesIO()
  np.lib.format.write_array_header_1_0(stream, header)
  return stream.getvalue()


@pytest.mark.parametrize(
  ("content", "message"),
  [
    (_npy((10**13, 3)), "cannot be read"),
    (_npy((8, 3), "|O"), "cannot be read"),
    (b"\x93NUMPY\2\0\x28\x23\0\0" + b"(" * 9000, "cannot be read"),
    (b"", "cannot be read"),
    (b"PK\5\6" + b"\0" * 18, "cannot be read"),  # an archive of arrays
    (b"\x93NUMPY", "cannot be read"),
    (
      np.zeros((7, 3), np.float32),
      r"shape \(7, 3\) and type float32; expected",
    ),
    (np.zeros((8, 3)), r"type float64; expected \(8, 3\) and float32"),
  ],
)
def test_damaged_caches_are_refused(root, content, message):
  cached = root / "sampled_points" / "8" / "train" / "bathtub_2.npy"
  cached.parent.mkdir(parents=True)
  if isinstance(content, bytes):
    cached.write_bytes(content)
  else:
    np.save(cached, content)
  with pytest.raises(files.InputError, match=rf"bathtub_2\.npy .*{message}"):
    open_split(root)[0]


def test_a_shape_without_area_is_refused(root):
  path = root / "bathtub" / "train" / "bathtub_2.off"
  path.write_text("OFF\n1 1 0\n1 1 1\n3 0 0 0\n")
  with pytest.raises(files.InputError, match=r"bathtub_2\.off: no face has"):
    open_split(root)[0]


def test_incomplete_folders_are_refused(root, tmp_path):
  with pytest.raises(files.InputError, match="lacks airplane/train, one of 38"):
    open_split(root, allow_partial=False)
  for name in datasets.CLASS_NAMES:
    write(root / name / "test" / f"{name}_0001.off", 1)
  with pytest.raises(
    files.InputError, match="has 42 shapes in the split test; expected 2468"
  ):
    open_split(root, TEST, allow_partial=False)
  (root / "house" / "test").mkdir(parents=True)
  with pytest.raises(files.InputError, match="house, which is no class"):
    open_split(root, TEST)
  with pytest.raises(files.InputError, match="has 0 shapes in the split train"):
    open_split(tmp_path / "bathtub")
  with pytest.raises(files.InputError, match="nowhere is not a folder"):
    open_split(pathlib.Path("nowhere"))


def test_the_official_numbers(root):
  """9,843 training and 2,468 test shapes of 40 classes."""
  assert len(datasets.CLASS_NAMES) == 40
  assert list(datasets.CLASS_NAMES) == sorted(datasets.CLASS_NAMES)
  for name in datasets.CLASS_NAMES:
    (root / name / "test").mkdir(parents=True, exist_ok=True)
    (root / name / "train").mkdir(exist_ok=True)
  for split, expected in ((TRAIN, 9843), (TEST, 2468)):
    have = len(open_split(root, split))
    folder = root / "chair" / split.value
    for i in range(expected - have):
      (folder / f"chair_{i:04d}.off").touch()
    source = open_split(root, split, allow_partial=False)
    assert len(source) == expected
    (folder / "chair_9999.off").touch()
    with pytest.raises(files.InputError, match=f"expected {expected}"):
      open_split(root, split, allow_partial=False)


def test_sources_are_values(root):
  """So that processes can be handed one."""
  assert open_split(root) == dataclasses.replace(open_split(root))


def test_foreign_files_are_no_shapes(root):
  before = sizes(open_split(root))
  (root / "xbox" / "train" / "xbox_12.OFF").write_bytes(
    (root / "xbox" / "train" / "xbox_10.off").read_bytes()
  )
  foreign.add(root)
  assert sizes(open_split(root)) == [*before, 110]


def test_folder_of_data_that_cannot_be_written(root, tmp_path):
  (root / "sampled_points").write_text("in the way, as a read-only disk is")
  with pytest.raises(files.InputError, match=r"written: .* --data\.cache-dir"):
    open_split(root)[0]
  assert len(open_split(root, cache_dir=tmp_path / "cache")[0].points) == 8
