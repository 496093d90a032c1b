"""Data sets that grow: what is written is kept if the work ends early.

The files are ArrayRecord in the form of TensorFlow Datasets, made without
TensorFlow.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import itertools
import json
import os
import pathlib
from typing import Any
import zlib

from array_record.python import array_record_module  # type: ignore[import-untyped]
import tensorflow_datasets as tfds
from tensorflow_datasets.core import hashing

from experiments.data import files

_SETTINGS = "settings"  # of a data set that is not finished

# Key, features and a note, which is whatever JSON can hold.
Example = tuple[str, Mapping[str, Any], Any]


class Split:
  """The finished examples of a split: files, each with a list of its keys.

  A file counts once its list is there: notes on its examples, by their keys.

  Attributes:
    folder: of the unfinished data set.
    name: of the split.
    features: of its examples.
    lists: of all files, in order.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    name: str,
    features: tfds.features.FeaturesDict,
    *,
    dataset: str,
    examples_per_file: int,
  ) -> None:
    """Reads the lists of what is finished."""
    self.folder, self.name, self.features = folder, name, features
    self._examples_per_file = examples_per_file
    self.template = tfds.core.ShardedFileTemplate(
      data_dir=folder,
      dataset_name=dataset,
      split=name,
      filetype_suffix="array_record",
      template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}",
    )
    self.lists: list[dict[str, Any]] = [
      json.loads(files.read_bytes(path))
      for path in files.list_files(folder, f"{name}.*.json")
    ]

  @property
  def notes(self) -> dict[str, Any]:
    """Notes on all examples by their keys."""
    return {key: note for part in self.lists for key, note in part.items()}

  def missing(self, keys: Iterable[str]) -> list[str]:
    """Returns the keys that are not finished.

    They are mixed, so that the first ones are a fair sample, in the order that
    TensorFlow Datasets gives them.
    """
    left = set(keys) - self.notes.keys()
    return sorted(left, key=hashing.Hasher(self.name).hash_key)

  def add_all(self, examples: Iterator[Example]) -> None:
    """Writes examples; those before an error are kept."""
    for first in examples:
      more = itertools.islice(examples, self._examples_per_file - 1)
      self._add(itertools.chain([first], more))

  def _add(self, examples: Iterator[Example]) -> None:
    part: dict[str, Any] = {}
    path = self.path(len(self.lists))
    writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1")
    try:
      for key, example, note in examples:
        encoded = self.features.encode_example(example)
        writer.write(self.features.serialize_example(encoded))
        part[key] = note
    finally:
      _close(writer, path)
      self.lists.append(part)
      files.write_text(self.folder / self.list_names()[-1], json.dumps(part))

  def list_names(self) -> list[str]:
    """Returns the names of the files of lists."""
    return [f"{self.name}.{i:05d}.json" for i in range(len(self.lists))]

  def path(self, number: int) -> pathlib.Path:
    """Returns a file of examples."""
    return pathlib.Path(
      self.template.sharded_filepath(shard_index=number, num_shards=None)
    )

  def info(self) -> tfds.core.SplitInfo:
    """Returns the split's part of the data set's metadata."""
    paths = map(self.path, range(len(self.lists)))
    return tfds.core.SplitInfo(
      name=self.name,
      shard_lengths=list(map(len, self.lists)),
      num_bytes=sum(path.stat().st_size for path in paths),
      filename_template=self.template,
    )


def _close(writer: Any, path: pathlib.Path) -> None:
  try:
    writer.close()
  except RuntimeError as error:  # such as "write() failed: REASON; writing …"
    reason = str(error).partition(";")[0].rpartition(": ")[2]
    raise files.InputError(f"{path} cannot be written: {reason}") from error


def claim(folder: pathlib.Path, settings: str) -> None:
  """Marks a folder with its settings; refuses one begun with others.

  Raises:
    files.InputError: if it was, or cannot be written.
  """
  path, mark = folder / _SETTINGS, f"{zlib.crc32(settings.encode())}"
  if path.exists() and path.read_text() != mark:
    raise files.InputError(
      f"{folder} was begun with other data, lists or settings; go on with "
      "those, or remove it."
    )
  files.write_text(path, mark)


def finish(
  folder: pathlib.Path,
  target: pathlib.Path,
  splits: Sequence[Split],
  **info: Any,
) -> None:
  """Makes a data set of TensorFlow Datasets of the finished files.

  Args:
    folder: of the files.
    target: becomes the data set's folder.
    splits: all of them.
    **info: further fields of `tfds.core.DatasetInfo`.

  Raises:
    files.InputError: if it cannot be written.
  """
  with files.explaining(target):
    tfds.folder_dataset.write_metadata(
      data_dir=folder,
      features=splits[0].features,
      split_infos=[split.info() for split in splits],
      version="1.0.0",
      filename_template=splits[0].template,
      check_data=False,  # needs TensorFlow
      **info,
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(folder, target)
  for name in (_SETTINGS, *(x for split in splits for x in split.list_names())):
    (target / name).unlink()
