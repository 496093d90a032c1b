"""A small copy of the HDF5 files that PointNet's authors made of ModelNet40."""

import h5py
import numpy as np
import pytest

from experiments.data import files
from experiments.point_clouds import data
from experiments.point_clouds.files import datasets
from experiments.point_clouds.files import hdf5_files

TRAIN, TEST = datasets.Split.TRAIN, datasets.Split.TEST


def write(path, labels, **changes):
  """Writes clouds whose point i is at (label, i, 0)."""
  points = np.zeros((len(labels), 2048, 3), np.float32)
  points[..., 0] = np.asarray(labels)[:, None]
  points[..., 1] = np.arange(2048)
  arrays = {"data": points, "label": np.array(labels, np.uint8)[:, None]}
  with h5py.File(path, "w") as file:
    for name, values in (arrays | changes).items():
      if values is not None:
        file[name] = values


@pytest.fixture
def root(tmp_path):
  write(tmp_path / "ply_data_train0.h5", [3, 0])
  write(tmp_path / "ply_data_train1.h5", [39])
  write(tmp_path / "ply_data_test0.h5", [7])
  name = "data/modelnet40_ply_hdf5_2048/ply_data_{}.h5\n".format
  (tmp_path / "train_files.txt").write_text(name("train0") + name("train1"))
  (tmp_path / "test_files.txt").write_text(name("test0"))
  return tmp_path


def open_split(root, split=TRAIN, num_points=4, allow_partial=True):
  config = datasets.ModelNet40(
    data_dir=root, split=split, allow_partial=allow_partial
  )
  return hdf5_files.open_dataset(config, num_points)


def test_clouds_and_labels_in_the_order_of_the_list(root):
  source = open_split(root)
  assert len(source) == 3
  assert [cloud.label for cloud in source] == [3, 0, 39]
  np.testing.assert_array_equal(
    source[2].points, [[39, 0, 0], [39, 1, 0], [39, 2, 0], [39, 3, 0]]
  )
  assert source[2].points.dtype == np.float32
  assert [cloud.label for cloud in open_split(root, TEST)] == [7]
  assert open_split(root, num_points=2048)[0].points.shape == (2048, 3)


def test_spellings_of_lists(root):
  (root / "ply_data_train0.h5").rename(root / "ply data.h5")
  text = "\ufeffdata\\ply data.h5\r\n\r\nply_data_train1.h5\r\n"
  (root / "train_files.txt").write_bytes(text.encode())
  assert [cloud.label for cloud in open_split(root)] == [3, 0, 39]


def test_hdf5_files_are_a_data_set(root):
  config = data.DataConfig(
    dataset=data.Dataset.MODELNET40_HDF5, data_dir=root, allow_partial=True
  )
  split = data.eval_split(config, 4)
  assert split.name == "modelnet40_hdf5 test"
  example = split.transform(split.source[0], np.random.default_rng(0))
  assert example["labels"] == 7
  np.testing.assert_allclose(
    example["points"][:, 1], [-1, -1 / 3, 1 / 3, 1], rtol=1e-6
  )


def test_more_points_than_there_are(root):
  with pytest.raises(files.InputError, match=r"2048 points, not 2049"):
    open_split(root, num_points=2049)


def test_counts_are_the_official_ones(root):
  with pytest.raises(files.InputError, match=r"3 clouds .* train; expected 98"):
    open_split(root, allow_partial=False)
  with pytest.raises(files.InputError, match=r"1 clouds .* test; expected 246"):
    open_split(root, TEST, allow_partial=False)


NOT_A_NUMBER = np.full((2, 2048, 3), np.nan, np.float32)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"data": None}, "no array 'data'"),
    ({"label": None}, "no array 'label'"),
    (
      {"data": np.zeros((2, 1024, 3), np.float32)},
      r"data has shape \(2, 1024, 3\) .* expected \(n, 2048, 3\)",
    ),
    ({"data": np.zeros((2, 2048, 3), np.int32)}, "int32; expected .* floats"),
    ({"label": np.zeros((3, 1), np.uint8)}, r"label has .* expected \(2, 1\)"),
    ({"label": np.zeros(2, np.uint8)}, r"label has .* expected \(2, 1\)"),
    ({"label": np.zeros((2, 1))}, "float64; expected .* integers"),
    (
      {"label": np.array([[0], [40]])},
      "cloud 1 has label 40; expected 0 to 39",
    ),
    ({"data": NOT_A_NUMBER}, "cloud 0 has points that are not finite"),
  ],
)
def test_wrong_arrays(root, changes, message):
  path = root / "ply_data_train0.h5"
  write(path, [3, 0], **changes)
  with pytest.raises(files.InputError, match=message) as caught:
    open_split(root)
  assert str(caught.value).startswith(str(path))
  assert "no readable" not in str(caught.value)


def test_damaged_and_missing_files(root):
  path = root / "ply_data_train1.h5"
  whole = path.read_bytes()
  for contents in (b"", b"text", whole[: len(whole) // 2]):
    path.write_bytes(contents)
    with pytest.raises(files.InputError, match=r"train1\.h5 is no readable"):
      open_split(root)
  path.unlink()
  with pytest.raises(files.InputError, match=r"train1\.h5 is not there"):
    open_split(root)
  (root / "train_files.txt").write_text("\n")
  with pytest.raises(files.InputError, match=r"train_files\.txt is empty"):
    open_split(root)
  (root / "train_files.txt").unlink()
  with pytest.raises(files.InputError, match=r"train_files\.txt"):
    open_split(root)
