"""Texts of TensorFlow Datasets that are on disk, read without TensorFlow.

Nothing is ever downloaded or built here.
"""

from collections.abc import Sequence
import dataclasses
import os
import pathlib
import re
from typing import Any

import tensorflow_datasets as tfds


@dataclasses.dataclass(frozen=True)
class Texts(Sequence[bytes]):
  """The documents of a prepared data set.

  Attributes:
    examples: dictionaries with the entry "text".
  """

  examples: Sequence[Any]

  def __len__(self) -> int:
    return len(self.examples)

  def __getitem__(self, index: Any) -> Any:
    text = self.examples[index]["text"]
    return text if isinstance(text, bytes) else text.encode("utf-8")


def open_texts(name: str, split: str, data_dir: pathlib.Path | None) -> Texts:
  """Opens the newest version of a data set that is on disk.

  Args:
    name: NAME or NAME/CONFIG, such as "c4/en".
    split: such as "train" or "train[99%:]".
    data_dir: the folder of data sets; None is $TFDS_DATA_DIR, or else
      ~/tensorflow_datasets.

  Raises:
    FileNotFoundError: if it is not there, or files of it are missing.
    ValueError: if it cannot be read in any order, or lacks texts or the split.
  """
  root = _root(data_dir)
  folder = _newest(root / name)
  build = f"`tfds build {name} --file_format=array_record --data_dir={root}`"
  advice = f'To make it: `pip install -e ".[tf]"`, then {build}.'
  if folder is None:
    raise FileNotFoundError(f"No data set {name} in {root / name}. {advice}")
  builder = tfds.builder_from_directory(folder)
  _check(builder, folder, split.partition("[")[0], advice)
  return Texts(builder.as_data_source(split=split))


def _root(data_dir: pathlib.Path | None) -> pathlib.Path:
  default = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
  return (data_dir or pathlib.Path(default)).expanduser()


def _newest(folder: pathlib.Path) -> pathlib.Path | None:
  versions = {
    tuple(map(int, path.parent.name.split("."))): path.parent
    for path in folder.glob("*/dataset_info.json")
    if re.fullmatch(r"\d+\.\d+\.\d+", path.parent.name)
  }
  return versions[max(versions)] if versions else None


def _check(builder: Any, folder: pathlib.Path, split: str, advice: str) -> None:
  stored = builder.info.available_file_formats()
  if tfds.core.FileFormat.ARRAY_RECORD not in stored:
    raise ValueError(
      f"The data set in {folder} is stored as "
      f"{', '.join(sorted(f.value for f in stored))}; expected array_record, "
      f"which can be read in any order. {advice}"
    )
  if "text" not in builder.info.features:
    raise ValueError(
      f"The data set in {folder} has the features "
      f'{sorted(builder.info.features)}; expected "text" among them'
    )
  if split not in builder.info.splits:
    raise ValueError(
      f"The data set in {folder} has the splits {sorted(builder.info.splits)}; "
      f'expected "{split}" among them'
    )
  paths = [pathlib.Path(p) for p in builder.info.splits[split].filepaths]
  missing = [path.name for path in paths if not path.exists()]
  if missing:
    raise FileNotFoundError(
      f"The data set in {folder} lacks {len(missing)} of {len(paths)} files of "
      f'its split "{split}", the first being {missing[0]}'
    )
