"""Folders of images that become data sets."""

import dataclasses
import errno
import os
import pathlib

from PIL import Image
import pytest

from experiments.data import files
from experiments.data import growing
from experiments.image_classification.imagenet import data
from experiments.image_classification.imagenet import painted_digits
from experiments.image_classification.imagenet import prepare_folder
from experiments.image_classification.imagenet import sources
from tests.helpers import image_folders


def test_corrupt_images_stop_the_script_or_are_counted(tmp_path):
  folder = image_folders.make(tmp_path / "images")
  (folder / "train" / "bee" / "4.jpg").write_bytes(b"no image at all")
  config = prepare_folder.PrepareConfig(
    folder=folder, name="damaged", data_dir=tmp_path / "data"
  )
  with pytest.raises(ValueError, match=r"bee/4\.jpg: not a readable.*--skip"):
    prepare_folder.prepare(config)
  there = [path.name for path in (tmp_path / "data").iterdir()]
  assert there == ["damaged.unfinished"]
  skipping = dataclasses.replace(config, skip_corrupt=True)
  prepared = prepare_folder.prepare(skipping)
  (corrupt,) = prepared.corrupt
  assert corrupt.startswith("train/bee/4.jpg: not a readable image")
  assert prepared.counts == {"train": 17, "validation": 6}


def _interrupted(folder, root, monkeypatch, after):
  """Prepares images until one cannot be read; returns those that could."""
  config = prepare_folder.PrepareConfig(folder=folder, name="a", data_dir=root)
  read, names = files.read_bytes, []

  def fail(path):
    if path.suffix == ".jpg":
      if len(names) == after:
        raise KeyboardInterrupt
      names.append(path)
    return read(path)

  with monkeypatch.context() as patched:
    patched.setattr(files, "read_bytes", fail)
    with pytest.raises(KeyboardInterrupt):
      prepare_folder.prepare(config)
  return config, names


def test_finished_images_are_kept(tmp_path, monkeypatch, capsys):
  images = image_folders.make(tmp_path / "images")
  whole = prepare_folder.PrepareConfig(
    folder=images, name="whole", data_dir=tmp_path
  )
  prepare_folder.prepare(whole)
  root = tmp_path / "data"
  monkeypatch.setattr(prepare_folder, "_IMAGES_PER_FILE", 4)
  config, before = _interrupted(images, root, monkeypatch, 7)
  (root / "a.unfinished" / ".DS_Store").touch()
  read, after = files.read_bytes, []
  monkeypatch.setattr(
    files, "read_bytes", lambda path: after.append(path) or read(path)
  )
  prepared = prepare_folder.prepare(config)
  assert "train: 7 images are there" in capsys.readouterr().err
  after = [path for path in after if path.suffix == ".jpg"]
  assert (len(before), len(after)) == (7, 24 - 7)
  assert prepared.counts == {"train": 18, "validation": 6}
  assert [path.name for path in root.iterdir()] == ["a"]
  # In files of other lengths the data set is the same.
  found, expected = (
    data.splits(data.DataConfig(source=source, image_size=16))
    for source in (
      sources.Source(sources.Kind.PREPARED, path)
      for path in (root / "a", tmp_path / "whole")
    )
  )
  for one, other in zip(found, expected, strict=True):
    assert [one.source[i] for i in range(len(one.source))] == [
      other.source[i] for i in range(len(other.source))
    ]


@pytest.mark.parametrize("change", ["remove", "replace", "add_class"])
def test_images_that_change_meanwhile_are_refused(
  tmp_path, monkeypatch, change
):
  folder = image_folders.make(tmp_path / "images")
  config, (path, *_) = _interrupted(folder, tmp_path, monkeypatch, 7)
  if change == "remove":
    path.unlink()
  elif change == "replace":
    path.write_bytes(image_folders.encode(Image.new("RGB", (9, 9))))
  else:
    for split in ("train", "validation"):
      (folder / split / "cat").mkdir()
      (folder / split / "cat" / "0.jpg").write_bytes(path.read_bytes())
  message = "has changed .*remove .*a.unfinished"
  if change == "add_class":
    message = "a.unfinished was begun with other data"
  with pytest.raises(files.InputError, match=message):
    prepare_folder.prepare(config)


@pytest.mark.parametrize("place", ["examples", "metadata"])
def test_a_full_disk_is_named(tmp_path, monkeypatch, place):
  folder = image_folders.make(tmp_path / "images")
  config = prepare_folder.PrepareConfig(
    folder=folder, name="a", data_dir=tmp_path
  )

  class Writer:
    def __init__(self, path, options):
      pathlib.Path(path).touch()

    def write(self, record):
      pass

    def close(self):
      raise RuntimeError("write() failed: No space left on device; writing a")

  def fail(**unused):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  with monkeypatch.context() as patched:
    if place == "examples":
      arrays = growing.array_record_module
      patched.setattr(arrays, "ArrayRecordWriter", Writer)
    else:
      patched.setattr(growing.tfds.folder_dataset, "write_metadata", fail)
    with pytest.raises(files.InputError) as caught:
      prepare_folder.prepare(config)
  message = str(caught.value)
  assert message.startswith(f"{tmp_path / 'a'}")
  assert message.endswith("cannot be written: No space left on device")
  assert prepare_folder.prepare(config).counts["train"] == 18


def test_two_processes_may_paint_digits(tmp_path, monkeypatch):
  paint = painted_digits._paint_all

  def paint_beside_another(folder, copies):
    monkeypatch.setattr(painted_digits, "_paint_all", paint)
    painted_digits.prepare(tmp_path, copies)
    image_folders.make(folder)

  monkeypatch.setattr(painted_digits, "_paint_all", paint_beside_another)
  painted_digits.prepare(tmp_path, copies=1)
  assert [path.name for path in tmp_path.iterdir()] == [painted_digits.NAME]
  config = data.DataConfig(
    source=sources.Source(sources.Kind.SYNTHETIC, tmp_path)
  )
  assert data.num_classes(config) == painted_digits.NUM_CLASSES


def test_reasons_are_counted(tmp_path, capsys):
  folder = image_folders.make(tmp_path / "images")
  (folder / "validation").rename(folder / "val")
  for path in folder.glob("train/*/[1-6].jpg"):
    path.write_bytes(b"no image at all")
  config = prepare_folder.PrepareConfig(
    folder=folder, name="damaged", data_dir=tmp_path / "data", skip_corrupt=True
  )
  prepare_folder.run(config)
  out = capsys.readouterr().out
  assert out.count("left out: train/") == 10
  assert "reasons: 12 × not a readable image" in out
  assert "6 train, 6 validation images, 12 left out" in out
  data_set = f"--data.source {tmp_path / 'data' / 'damaged'}\n"
  assert f"experiments.train imagenet --mini {data_set}" in out
  labels = pathlib.Path(out.splitlines()[-1].rpartition(" ")[2])
  assert labels.read_text().split() == ["ant", "bee"]
  for path in folder.glob("val/*/*.jpg"):
    path.write_bytes(b"no image at all")
  with pytest.raises(
    files.InputError, match=r"val has no image .*: 18 × not a"
  ):
    prepare_folder.prepare(dataclasses.replace(config, name="worse"))


def test_what_is_beside_the_images_is_counted(tmp_path, capsys):
  folder = image_folders.make(tmp_path / "images") / "train"
  for name in ("ant/IMG_1.HEIC", "ant/IMG_2.heic", "bee/notes", "bee/.hidden"):
    (folder / name).touch()
  (folder / "ant" / "2026").mkdir()
  Image.new("RGB", (9, 9)).save(folder / "ant" / "drawing.GIF")
  config = prepare_folder.PrepareConfig(
    folder=folder, name="a", data_dir=tmp_path / "data", hold_out=0.5
  )
  prepare_folder.run(config)
  out = capsys.readouterr().out
  assert "10 train, 9 validation images, 0 left out" in out
  expected = "no images of a known kind: 2 × .heic; 1 × folder; 1 × without a"
  assert expected in out
  (folder / "ant" / "2026").rmdir()
  for name in ("ant/IMG_1.HEIC", "ant/IMG_2.heic", "bee/notes"):
    (folder / name).unlink()
  prepare_folder.run(dataclasses.replace(config, name="b"))
  assert "known kind" not in capsys.readouterr().out


def test_the_script_overwrites_nothing(tmp_path):
  config = prepare_folder.PrepareConfig(
    folder=tmp_path, name="insects", data_dir=tmp_path
  )
  (tmp_path / "insects" / "1.0.0").mkdir(parents=True)
  with pytest.raises(files.InputError, match="is there already; remove it"):
    prepare_folder.prepare(config)


def test_a_folder_of_classes_is_divided(tmp_path):
  folder = image_folders.make(tmp_path / "images") / "train"
  config = prepare_folder.PrepareConfig(
    folder=folder, name="a", data_dir=tmp_path, hold_out=0.3
  )
  listed = {
    (split, name): prepare_folder._images(config, split, folder / name)
    for split in image_folders.COUNTS
    for name in image_folders.CLASSES
  }
  for name in image_folders.CLASSES:
    train, held_out = listed["train", name], listed["validation", name]
    assert (len(train), len(held_out)) == (6, 3)
    assert sorted(train + held_out) == sorted((folder / name).iterdir())
  assert prepare_folder.prepare(config).counts == {"train": 12, "validation": 6}
  (folder / "cat").mkdir()
  (folder / "cat" / "0.jpg").touch()
  config = dataclasses.replace(config, name="b")
  with pytest.raises(files.InputError, match=r"cat has 1 image, none of which"):
    prepare_folder.prepare(config)
  (folder / "cat" / "0.jpg").unlink()
  with pytest.raises(files.InputError, match=r"cat has no .* the train split"):
    prepare_folder.prepare(config)
  with pytest.raises(ValueError, match="hold_out"):
    dataclasses.replace(config, hold_out=1.0)


def test_the_script_names_what_the_folder_lacks(tmp_path):
  config = prepare_folder.PrepareConfig(
    folder=tmp_path, name="a", data_dir=tmp_path
  )
  with pytest.raises(files.InputError, match="train is missing; images go to"):
    prepare_folder.prepare(config)
  for path in ("train/ant", "train/bee", "validation/ant"):
    (tmp_path / path).mkdir(parents=True)
    (tmp_path / path / "0.WebP").write_bytes(
      image_folders.encode(Image.new("RGB", (9, 9)), "WebP")
    )
  with pytest.raises(
    files.InputError, match="classes are not in both splits: bee"
  ):
    prepare_folder.prepare(config)
  (tmp_path / "train" / "bee" / "0.WebP").unlink()
  with pytest.raises(files.InputError, match=r"bee has no images \(\.bmp"):
    prepare_folder.prepare(config)


def test_the_script_refuses_odd_names():
  with pytest.raises(ValueError, match="name must be lower-case letters"):
    prepare_folder.PrepareConfig(folder=pathlib.Path(), name="My-Images")
