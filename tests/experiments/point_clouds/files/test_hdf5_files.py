"""A small copy of the HDF5 files that PointNet's authors made of ModelNet40."""

import h5py
import numpy as np
import pytest

from experiments import train
from experiments.cli import arguments as cli_arguments
from experiments.cli import registry
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
    source=data.Source(data.Dataset.MODELNET40_HDF5, root), allow_partial=True
  )
  split = data.eval_split(config, 4)
  assert split.name == "modelnet40_hdf5 test, not the official one"
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
      {"data": np.zeros((2, 2048, 2), np.float32)},
      r"data has shape \(2, 2048, 2\) .* expected \(any, any, 3\)",
    ),
    ({"data": np.zeros((2, 2048, 3), np.int32)}, "int32; expected .* floats"),
    ({"label": np.zeros((3, 1), np.uint8)}, r"label has .* expected \(2, 1\)"),
    ({"label": np.zeros(3, np.uint8)}, r"label has .* expected \(2, 1\)"),
    ({"label": np.zeros((2, 2), int)}, r"label has .* expected \(2, 1\)"),
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


def _soft(file, elsewhere):
  file["points"] = file["data"]
  del file["data"]
  file["data"] = h5py.SoftLink("/points")


def _external(file, elsewhere):
  del file["data"]
  file["data"] = h5py.ExternalLink(str(elsewhere / "other.h5"), "data")


def _raw(file, elsewhere):
  del file["data"]
  np.zeros((2, 2048, 3), np.float32).tofile(elsewhere / "raw")
  where = [(str(elsewhere / "raw"), 0, 2 * 2048 * 12)]
  file.create_dataset("data", (2, 2048, 3), "f4", external=where)


def _virtual(file, elsewhere):
  del file["data"]
  layout = h5py.VirtualLayout((2, 2048, 3), "f4")
  layout[:] = h5py.VirtualSource(elsewhere / "other.h5", "data", (2, 2048, 3))
  file.create_virtual_dataset("data", layout)


def _endless(file, elsewhere):
  del file["data"]
  file.create_dataset("data", (10**9, 2048, 3), "f4", chunks=(1, 2048, 3))


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (_soft, "no array 'data'"),
    (_external, "no array 'data'"),
    (_raw, "the numbers of data are in other files"),
    (_virtual, "the numbers of data are in other files"),
    (_endless, r"data is of shape \(10{9}, 2048, 3\); its 0 bytes cannot"),
  ],
)
def test_nothing_is_read_from_elsewhere(root, tmp_path, change, message):
  write(tmp_path / "other.h5", [3, 0])
  with h5py.File(root / "ply_data_train0.h5", "r+") as file:
    change(file, tmp_path)
  with pytest.raises(files.InputError, match=message):
    open_split(root)


def test_compressed_files(root):
  path = root / "ply_data_train0.h5"
  with h5py.File(path, "w") as file:
    options = {"compression": "gzip", "compression_opts": 9}
    points = np.zeros((200, 2048, 3), np.float32)
    file.create_dataset("data", data=points, **options)
    file.create_dataset("label", data=np.zeros((200, 1), np.uint8), **options)
  assert path.stat().st_size < points.nbytes / 100
  assert len(open_split(root)) == 201


def others(folder, **files):
  """Writes clouds of 5 points in files of these names, with these labels."""
  for name, labels in files.items():
    points = np.arange(len(labels) * 15, dtype=np.float64).reshape(-1, 5, 3)
    changes = {"data": points, "label": np.array(labels, np.int64)}
    write(folder / f"{name}.h5", labels, **changes, mask=np.zeros(3))
  return data.DataConfig(source=data.Source(data.Dataset.HDF5, folder))


def test_clouds_of_others_have_their_own_sizes(tmp_path):
  # As in ScanObjectNN: no lists, [n] labels, a mask.
  config = others(
    tmp_path, training_objectdataset=[1, 0, 2], test_objectdataset=[4]
  )
  assert config.class_names == ("0", "1", "2", "3", "4")
  train, test = data.train_split(config, 5), data.eval_split(config, 3)
  assert [cloud.label for cloud in train.source] == [1, 0, 2]
  assert train.source[2].points.shape == (5, 3)
  assert train.source[2].points.dtype == np.float32
  assert [cloud.label for cloud in test.source] == [4]
  assert test.source[0].points.shape == (3, 3)
  with pytest.raises(files.InputError, match=r"of 5 points, not 6; --model\.n"):
    data.train_split(config, 6)


def test_clouds_of_others_have_names(tmp_path):
  config = others(tmp_path, train=[1, 0], test=[2])
  (tmp_path / "shape_names.txt").write_text("bag\nbin\nbox\n")
  assert config.class_names == ("bag", "bin", "box")
  (tmp_path / "train_files.txt").write_text("elsewhere/test.h5\n")
  assert [c.label for c in data.train_split(config, 5).source] == [2]
  hdf5_files.class_names.cache_clear()
  (tmp_path / "shape_names.txt").write_text("bag\nbin\n")
  with pytest.raises(files.InputError, match=r"label 2; expected 0 to 1"):
    data.eval_split(config, 5)


@pytest.mark.parametrize("recipe", ["main", "pointnet", "transformer"])
def test_models_have_the_classes_of_clouds(tmp_path, recipe):
  others(tmp_path, train=[1, 0], test=[2])
  choice = registry.choose("modelnet40", recipe, False)
  words = ["modelnet40", "--data.source", f"hdf5:{tmp_path}"]
  experiment = cli_arguments.override(train.Train, choice, words, "train")
  with pytest.raises(files.InputError, match="has 40 classes; expected 3, th"):
    experiment.task()
  assert registry.fit(choice, experiment).task().model.config.num_classes == 3


def test_labels_of_modelnet40_may_be_flat(root):
  write(root / "ply_data_train0.h5", [3, 0], label=np.array([3, 0], np.uint8))
  assert [cloud.label for cloud in open_split(root)] == [3, 0, 39]
