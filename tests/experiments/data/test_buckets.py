"""Buckets of Google Cloud Storage, as a local server plays them."""

import collections
import os
import pathlib
import shutil
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from experiments.data import bucket_copies
from experiments.data import buckets
from experiments.data import files
from experiments.data import paths
from experiments.data import tfds_reader
from experiments.language.text import corpora
from perceiver import config_json
from tests.helpers import fake_storage
from tests.helpers import tfds_folders

storage = fake_storage.storage
FOLDER = pathlib.Path("gs:/b/folder")


def test_objects_are_what_was_written(storage, tmp_path):
  assert buckets.find_item(FOLDER / "a") is None
  item = buckets.write(FOLDER / "a", b"one", 0)
  assert buckets.find_item(FOLDER / "a") == item
  assert buckets.read(FOLDER / "a") == b"one"
  assert buckets.list_items(FOLDER) == {"a": item}
  newer = buckets.write(FOLDER / "a", b"two", item.generation)
  with pytest.raises(buckets.BucketError, match="was removed meanwhile"):
    buckets.download(FOLDER / "a", tmp_path / "a", item.generation)
  with pytest.raises(buckets.ChangedError, match="gs://b/folder/a was changed"):
    buckets.delete(FOLDER / "a", item.generation)
  buckets.delete(FOLDER / "a", newer.generation)
  buckets.delete(FOLDER / "a", newer.generation)  # It may be gone.
  assert not storage.objects["b"]


def test_large_object_takes_several_requests(storage, tmp_path):
  content = np.arange(9_000_000 // 8).tobytes()
  (tmp_path / "a").write_bytes(content)
  item = buckets.write(FOLDER / "a", tmp_path / "a", 0)
  buckets.download(FOLDER / "a", tmp_path / "b", item.generation)
  assert (tmp_path / "b").read_bytes() == content


def test_nothing_is_overwritten_that_is_not_known(storage):
  item = buckets.write(FOLDER / "a", b"one", 0)
  with pytest.raises(buckets.ChangedError):
    buckets.write(FOLDER / "a", b"two", 0)
  assert storage.read("b", "folder/a") == b"one"
  # A try whose answer was lost has written it.
  assert buckets.write(FOLDER / "a", b"one", 0) == item


def test_copies_are_made_once(storage, monkeypatch):
  for number in range(20):  # Lists have pages.
    storage.put("b", f"folder/in/{number}", b"%d" % number)
  storage.put("b", "folder/in/", b"")  # stands for a folder
  storage.put("b", "folder-2/other", b"")
  copy = bucket_copies.local(FOLDER)
  assert {p.name: p.read_bytes() for p in (copy / "in").iterdir()} == {
    str(number): b"%d" % number for number in range(20)
  }
  assert [path.name for path in copy.iterdir()] == ["in"]
  read = collections.Counter()
  download = buckets.download

  def counted(path, *arguments):
    read[path.name] += 1
    download(path, *arguments)

  monkeypatch.setattr(buckets, "download", counted)
  storage.put("b", "folder/in/3", b"new")
  del storage.objects["b"]["folder/in/4"]
  assert (bucket_copies.local(FOLDER) / "in" / "3").read_bytes() == b"3"
  bucket_copies.forget()  # as the next command does
  assert (bucket_copies.local(FOLDER) / "in" / "3").read_bytes() == b"new"
  assert not (copy / "in" / "4").exists()
  os.utime(copy / "in" / "5")  # Its content is compared.
  (copy / "in" / "6").write_bytes(b"?")
  bucket_copies.forget()
  bucket_copies.local(FOLDER)
  assert read == {"3": 1, "6": 1}
  assert bucket_copies.local(FOLDER / "in" / "7").read_bytes() == b"7"
  assert bucket_copies.local(copy) == copy


def test_copy_changes_its_kind(storage):
  storage.put("b", "folder", b"a file")
  assert bucket_copies.local(FOLDER).read_bytes() == b"a file"
  del storage.objects["b"]["folder"]
  storage.put("b", "folder/a", b"in a folder")
  bucket_copies.forget()
  assert (bucket_copies.local(FOLDER) / "a").read_bytes() == b"in a folder"
  storage.put("b", "folder", b"a file")
  bucket_copies.forget()
  assert bucket_copies.local(FOLDER).read_bytes() == b"a file"


@pytest.mark.parametrize("name", ["../a", "b/../../a", "b//a", "./a"])
def test_names_that_lead_elsewhere_are_refused(storage, name):
  storage.put("b", f"folder/{name}", b"")
  with pytest.raises(buckets.BucketError, match="no name of a file"):
    bucket_copies.local(FOLDER)


def test_small_disk(storage, monkeypatch):
  storage.put("b", "folder/a", b"four")
  usage = collections.namedtuple("Usage", "free")
  monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(3))
  with pytest.raises(buckets.BucketError, match="PERCEIVER_CACHE to a folder"):
    bucket_copies.local(FOLDER)


@pytest.mark.parametrize(
  ("status", "message"),
  [
    (401, ": no permission without credentials. Give a key's file in GOOGLE_"),
    (403, ": no permission: Some reason. Give a key's file in GOOGLE_"),
    (400, " cannot be reached: Some reason."),
  ],
)
def test_refusals(storage, status, message):
  storage.refusals["b", "GET"] = status
  with pytest.raises(buckets.BucketError) as caught:
    bucket_copies.local(FOLDER)
  assert str(caught.value).startswith(f"gs://b/folder{message}")
  assert "\n" not in str(caught.value)


def test_no_such_bucket(storage):
  with pytest.raises(buckets.BucketError, match="there is no bucket none"):
    bucket_copies.local(pathlib.Path("gs:/none/a"))
  with pytest.raises(buckets.BucketError, match="nothing at gs://b/folder"):
    bucket_copies.local(FOLDER)


def test_no_network(storage, monkeypatch):
  monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://localhost:1")
  monkeypatch.setattr(buckets, "_READING_SECONDS", 0.0)
  with pytest.raises(
    buckets.BucketError, match=r"reached: .*Connection refused"
  ):
    bucket_copies.local(FOLDER)


def test_without_the_extra(storage, monkeypatch):
  monkeypatch.setitem(sys.modules, "google.api_core", None)
  with pytest.raises(buckets.BucketError, match=r"pip install -e '.\[gcs\]'"):
    bucket_copies.local(FOLDER)


def test_credentials_that_are_no_file(monkeypatch):
  monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
  monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
  with pytest.raises(buckets.BucketError, match=r"/nowhere/key.json was not f"):
    bucket_copies.local(FOLDER)


def test_places():
  assert paths.place("gs://b//a/./c/") == pathlib.Path("gs:/b/a/c")
  assert buckets.shown(paths.place("GS://b/a")) == "gs://b/a"
  assert not buckets.is_address(paths.place("./gs:/a"))
  for text in ("gs://", "gs:///", "gs://b/../c"):
    with pytest.raises(paths.PathError, match="expected gs://BUCKET/PATH"):
      paths.place(text)
  with pytest.raises(paths.PathError, match="where s3:// is mounted"):
    paths.place("s3://b/a")


def test_texts_are_read_from_a_bucket(storage, tmp_path):
  for number in range(50):
    storage.put("b", f"texts/{number:02}.txt", b"Text %d." % number)
  source = corpora.Source.parse("gs://b/texts")
  assert str(source) == "files:gs://b/texts"
  assert config_json.from_json(config_json.to_json(source), corpora.Source) == (
    source
  )
  source.check("--data.source")
  (train,), (held_out,) = corpora.open_corpus(source)
  assert len(train.documents) + len(held_out.documents) == 50
  whole, _ = corpora.open_corpus(source, paths.place("gs://b/texts/03.txt"))
  assert len(whole[0].documents) == 50
  storage.objects["b"].clear()
  bucket_copies.forget()
  with pytest.raises(files.InputError, match="nothing at gs://b/texts"):
    source.check("--data.source")


def test_data_sets_are_read_from_a_bucket(storage, tmp_path, monkeypatch):
  rows = {"train": [{"text": "a"}, {"text": "b"}]}
  features = {"text": tfds.features.Text()}
  tfds_folders.write(tmp_path / "made", "few/texts", features, rows)
  storage.put_folder(tmp_path / "made", "b", "sets")
  storage.put("b", "sets/large/set", b"not copied")
  monkeypatch.setenv("TFDS_DATA_DIR", "gs://b/sets")
  builder = tfds_reader.open_dataset(
    "few/texts", splits=["train"], features=["text"]
  )
  found = builder.as_data_source("train")
  assert sorted(row["text"] for row in found) == [b"a", b"b"]
  assert not (bucket_copies.cache() / "gs" / "b" / "sets" / "large").exists()
