"""Fashion-MNIST: its files, parts and preparation."""

import gzip
import hashlib

import numpy as np
import pytest

from experiments import prepare
from experiments.data import fashion_mnist
from experiments.data import files
from experiments.data import idx
from tests.helpers import tiny_archives

Part = fashion_mnist.Part


def read(folder, part):
  kind = fashion_mnist.Kind.FASHION_MNIST
  return fashion_mnist.read(fashion_mnist.Source(kind, folder), part)


@pytest.mark.parametrize("compressed", [True, False])
def test_parts(compressed, tmp_path):
  contents = tiny_archives.fashion_mnist(train=24, test=12)
  if not compressed:
    contents = {n[:-3]: gzip.decompress(x) for n, x in contents.items()}
  folder = tiny_archives.write(tmp_path / "set", contents)
  parts = {part: read(folder, part) for part in Part}
  for found in parts.values():
    assert found.pixels.dtype == np.uint8
    assert found.labels.dtype == np.int32
    np.testing.assert_array_equal(found.pixels[:, 0, 0], found.labels)
    assert not found.official
  counts = {part: len(found.labels) for part, found in parts.items()}
  assert counts == {
    Part.TRAIN: 24,
    Part.FITTING: 22,
    Part.HELD_OUT: 2,
    Part.TEST: 12,
  }
  both = [parts[p].pixels for p in (Part.FITTING, Part.HELD_OUT)]
  np.testing.assert_array_equal(np.concatenate(both), parts[Part.TRAIN].pixels)


def test_the_whole_set_holds_out_the_last_5000(monkeypatch, tmp_path):
  folder = tiny_archives.write(tmp_path, tiny_archives.fashion_mnist())
  monkeypatch.setattr(fashion_mnist, "_NUM_TRAIN", 24)
  monkeypatch.setattr(fashion_mnist, "NUM_HELD_OUT", 5)
  held_out = read(folder, Part.HELD_OUT)
  assert held_out.official
  assert held_out.labels.tolist() == [9, 0, 1, 2, 3]


def test_synthetic_parts_are_apart():
  source = fashion_mnist.Source(fashion_mnist.Kind.SYNTHETIC)
  train, test = (
    fashion_mnist.read(source, part) for part in (Part.TRAIN, Part.TEST)
  )
  assert (len(train.labels), len(test.labels)) == (1437, 360)
  assert train.pixels.shape[1:] == fashion_mnist.SIZE
  assert 200 < train.pixels.max() <= 255
  assert not train.official


@pytest.mark.parametrize(
  ("content", "message"),
  [
    (b"plain", "cannot be read"),
    (
      gzip.compress(b"\x00\x00\x0d\x03" + bytes(12), mtime=0),
      "begins with 00000d03",
    ),
    (
      gzip.compress(b"\x00\x00\x08\x03" + bytes(4), mtime=0),
      "expected an IDX file",
    ),
    (tiny_archives.idx(np.zeros((2, 28, 28)))[:-9], "cannot be read"),
    (
      gzip.compress(b"\x00\x00\x08\x03" + b"\x00\x00\x00\x02" * 3, mtime=0),
      r"0 elements; expected those of an array of \(2, 2, 2\)",
    ),
    (tiny_archives.idx(np.zeros((2, 8, 8))), r"expected \[N, 28, 28\]"),
    (tiny_archives.idx(np.zeros((3, 28, 28))), r"the labels \(24,\)"),
  ],
)
def test_damaged_files_are_named(content, message, tmp_path):
  folder = tiny_archives.write(tmp_path, tiny_archives.fashion_mnist())
  (folder / "train-images-idx3-ubyte.gz").write_bytes(content)
  with pytest.raises(files.InputError, match=message):
    read(folder, Part.TRAIN)


def test_labels_are_classes(tmp_path):
  folder = tiny_archives.write(tmp_path, tiny_archives.fashion_mnist(test=3))
  labels = tiny_archives.idx(np.array([1, 10, 2]))
  (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(labels)
  with pytest.raises(files.InputError, match="a t10k label is 10"):
    read(folder, Part.TEST)


def test_an_empty_folder_names_the_package(tmp_path):
  with pytest.raises(files.InputError, match="apt-get download") as error:
    read(tmp_path, Part.TRAIN)
  assert "experiments.prepare fashion-mnist ARCHIVE DIR" in str(error.value)
  assert "experiments.train fashion-mnist --data" in str(error.value)


def test_prepare_from_the_package(tmp_path, monkeypatch, capsys):
  contents = tiny_archives.fashion_mnist()
  place = "usr/share/datasets/fashion-mnist"
  deb = tiny_archives.deb({f"{place}/{n}": x for n, x in contents.items()})
  archive, folder = tmp_path / "set.deb", tmp_path / "folder"
  archive.write_bytes(deb)
  words = ["fashion-mnist", str(archive), str(folder)]
  assert prepare.main(words) == 1
  assert "expected 39e172fe32dd" in capsys.readouterr().err
  assert not folder.exists()
  monkeypatch.setattr(fashion_mnist, "PACKAGE", tiny_archives.package(deb))
  assert prepare.main(words) == 0
  out = capsys.readouterr().out
  assert "24 training and 12 test images" in out
  assert f"experiments.train fashion-mnist --data.source {folder}" in out
  assert {p.name: p.read_bytes() for p in folder.iterdir()} == contents


def test_prepare_from_the_official_files(tmp_path, monkeypatch, capsys):
  contents = tiny_archives.fashion_mnist()
  official = tiny_archives.write(tmp_path / "official", contents)
  words = ["fashion-mnist", str(official), str(tmp_path / "folder")]
  assert prepare.main(words) == 1
  assert "expected 8d4fb7e6c68d591d4c3dfef9ec88bf0d" in capsys.readouterr().err
  sums = {n: hashlib.md5(x).hexdigest() for n, x in contents.items()}
  monkeypatch.setattr(fashion_mnist, "_OFFICIAL", sums)
  assert prepare.main(words) == 0
  assert len(read(tmp_path / "folder", Part.TEST).labels) == 12


def test_idx_of_labels(tmp_path):
  path = tmp_path / "labels.gz"
  path.write_bytes(tiny_archives.idx(np.array([3, 1])))
  assert idx.read(path, 1).tolist() == [3, 1]
