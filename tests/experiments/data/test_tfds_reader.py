"""Data sets of TensorFlow Datasets: found, checked, refused."""

import json
import pathlib
import shutil
import sys

import pytest
import tensorflow_datasets as tfds

from experiments.data import files
from experiments.data import tfds_reader
from tests.helpers import tfds_folders


@pytest.fixture(scope="module")
def root(tmp_path_factory):
  result = tmp_path_factory.mktemp("data sets")
  rows = {
    "train": [{"text": f"text {i}"} for i in range(6)],
    "test": [{"text": "other"}],
  }
  tfds_folders.write(result, "few/texts", {"text": tfds.features.Text()}, rows)
  return result


@pytest.fixture
def copy(root, tmp_path):
  """The folder of a data set that may be damaged."""
  return shutil.copytree(root / "few", tmp_path / "few") / "texts" / "1.2.3"


def _open(data_dir, **settings):
  settings = {"splits": ("train", "test"), "features": ("text",), **settings}
  return tfds_reader.open_dataset("few/texts", data_dir=data_dir, **settings)


def test_examples_are_read_in_any_order(root):
  builder = _open(root, splits=("train[50%:]", "test"), counts={"train": 6})
  whole = builder.as_data_source(split="train")
  backwards = [whole[i]["text"] for i in reversed(range(6))]
  assert sorted(backwards) == [f"text {i}".encode() for i in range(6)]
  half = builder.as_data_source(split="train[50%:]")
  assert [half[i]["text"] for i in (2, 1, 0)] == backwards[:3]
  assert "tensorflow" not in sys.modules


def test_the_newest_matching_version_is_read(copy):
  for version in ("1.9.0", "1.10.0", "2.0.0", "incomplete"):
    shutil.copytree(copy, copy.parent / version)
  shutil.rmtree(copy)
  root = copy.parents[2]
  for pattern, expected in (("*", "2.0.0"), ("1.*", "1.10.0"), ("1.9.0",) * 2):
    builder = _open(root, version=pattern)
    assert pathlib.Path(builder.data_path).name == expected
  with pytest.raises(files.InputError, match=r"texts has no .* of version 7\."):
    _open(root, version="7.*")


def test_the_default_folder(root, monkeypatch):
  monkeypatch.setenv("TFDS_DATA_DIR", str(root))
  assert _open(None).info.splits["train"].num_examples == 6
  monkeypatch.delenv("TFDS_DATA_DIR")
  expected = pathlib.Path.home() / "tensorflow_datasets"
  assert tfds_reader.default_data_dir() == expected


def test_a_missing_data_set_comes_with_the_command_that_makes_it(tmp_path):
  with pytest.raises(files.InputError) as caught:
    _open(tmp_path, build_options=" --manual_dir=X", advice="Or do without it.")
  assert str(caught.value) == (
    f"{tmp_path / 'few/texts'} has no data set; expected one made by "
    "TensorFlow Datasets. To make it, install the extra for preparing data, "
    "`pip install -e '.[tf]'`, and run `tfds build few/texts "
    f"--file_format=array_record --data_dir={tmp_path} --manual_dir=X`. Or do "
    "without it."
  )


def test_other_formats_are_refused(copy):
  path = copy / "dataset_info.json"
  info = json.loads(path.read_text())
  path.write_text(json.dumps({**info, "fileFormat": "tfrecord"}))
  message = "stored as tfrecord; expected array_record, .* Delete it .*tfds bui"
  with pytest.raises(files.InputError, match=message):
    _open(copy.parents[2])


def test_missing_names_are_refused(root):
  message = r"features \['text'\]; expected \['label'\] among"
  with pytest.raises(files.InputError, match=message):
    _open(root, features=("text", "label"))
  message = r"splits \['test', 'train'\]; expected \['dev'\] among"
  with pytest.raises(files.InputError, match=message):
    _open(root, splits=("train", "dev[:3]"))


def test_missing_files_are_named(copy):
  (lost,) = copy.glob("*test*array_record*")
  lost.unlink()
  _open(copy.parents[2], splits=("train",))
  message = f'lacks 1 of 1 files of its split "test", .*{lost.name}'
  with pytest.raises(files.InputError, match=message):
    _open(copy.parents[2])


def test_other_counts_are_refused(root):
  message = '6 examples in "train"; expected 1,000, .* set allow_partial'
  with pytest.raises(files.InputError, match=message):
    _open(root, counts={"train": 1000, "test": 1})
