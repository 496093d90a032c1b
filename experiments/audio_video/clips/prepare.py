"""Turns a folder of video files into a data set that is quick to read.

  python -m experiments.prepare clips VIDEOS OUTPUT \\
      --train train.csv --validation validate.csv [--test test.csv]
  python -m experiments.prepare clips VIDEOS OUTPUT \\
      --train unbalanced_train_segments.csv balanced_train_segments.csv \\
      --validation eval_segments.csv --classes class_labels_indices.csv

The first is for Kinetics, the second for AudioSet; see `clip_folder` for files
and lists, `decoding` for files that are not as they should be.
Every file is decoded once. The data set, ArrayRecord in the form of TensorFlow
Datasets, is then read without PyAV:

  --data.data-dir OUTPUT
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import functools
import json
import multiprocessing
import os
import pathlib
import sys
import tempfile
from typing import Any

import tensorflow_datasets as tfds
import tyro

from experiments.audio_video.clips import clip_folder
from experiments.audio_video.clips import decoding
from experiments.audio_video.clips import prepared
from experiments.data import files

_NAME, _VERSION = "clips", "1.0.0"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Turns a folder of video files into a data set that is quick to read.

  The lists are those of Kinetics or of AudioSet. The data set is then read with
  --data.data-dir OUTPUT, without PyAV.

  Attributes:
    videos: the folder of video files.
    output: the folder of the data set, which must not exist.
    train: the lists of the training split.
    validation: the lists of the validation split, which AudioSet calls
      evaluation.
    test: the lists of the test split.
    classes: AudioSet's class_labels_indices.csv; of Kinetics the labels in the
      lists are the classes.
    storage: format of stored clips.
    workers: processes that decode; 0 decodes in this one.
    stop_at_damaged: stop at the first damaged file instead of leaving it out.
  """

  videos: tyro.conf.Positional[pathlib.Path]
  output: tyro.conf.Positional[pathlib.Path]
  train: tuple[pathlib.Path, ...] = ()
  validation: tuple[pathlib.Path, ...] = ()
  test: tuple[pathlib.Path, ...] = ()
  classes: pathlib.Path | None = None
  storage: decoding.StorageConfig = decoding.StorageConfig()
  workers: int = len(os.sched_getaffinity(0))
  stop_at_damaged: bool = False

  def __post_init__(self) -> None:
    if not (self.train or self.validation or self.test):
      raise ValueError("PrepareConfig: no lists; give at least one of --train.")
    if self.workers < 0:
      raise ValueError(
        f"PrepareConfig: workers is {self.workers}; expected at least 0."
      )


@dataclasses.dataclass(frozen=True)
class _Plan:
  """Clips to store, and their files.

  Attributes:
    kind: "kinetics" or "audioset".
    classes: classes of the labels.
    rows: clips by split.
    found: video files by name.
  """

  kind: str
  classes: clip_folder.Classes
  rows: dict[str, list[clip_folder.Row]]
  found: dict[str, pathlib.Path]


class _Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
  """Decodes the files into encoded frames and audio."""

  VERSION = tfds.core.Version(_VERSION)

  def __init__(self, config: PrepareConfig, plan: _Plan, folder: pathlib.Path):
    self.name = _NAME
    self._clips, self._plan = config, plan
    self.reports: dict[str, prepared.SplitReport] = {}
    super().__init__(data_dir=folder, file_format="array_record")

  def _info(self) -> tfds.core.DatasetInfo:
    label = tfds.features.ClassLabel(names=_distinct(self._plan.classes))
    # As text, whose encoding needs no TensorFlow, bytes stay as they are.
    features = tfds.features.FeaturesDict(
      {
        "frames": tfds.features.Sequence(tfds.features.Text()),
        # The name in all data sets of this version.
        "sound": tfds.features.Text(),
        "labels": tfds.features.Sequence(label),
        "name": tfds.features.Text(),
      }
    )
    return tfds.core.DatasetInfo(builder=self, features=features)

  def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
    return {split: self._generate_examples(split) for split in self._plan.rows}

  def _generate_examples(
    self, split: str
  ) -> Iterator[tuple[str, dict[str, Any]]]:
    rows, missing, damaged = self._plan.rows[split], [], []
    present, remarks = [], []
    for row in rows:
      path = clip_folder.file_of(row, self._plan.found)
      if path is None:
        missing.append(_key(row))
      else:
        present.append((row, decoding.Job(path, row.start, row.end)))
    jobs = [job for _, job in present]
    with _decoded(jobs, self._clips) as results:
      for (row, _), stored in zip(present, results):
        if isinstance(stored, str):
          if self._clips.stop_at_damaged:
            raise files.InputError(stored)
          damaged.append(stored)
          continue
        remarks.append(stored.remarks)
        yield _key(row), self._example(row, stored)
    if not remarks:
      raise files.InputError(
        f"none of the {len(rows)} clips of {split} could be read in "
        f"{self._clips.videos}."
      )
    self.reports[split] = prepared.SplitReport(
      listed=len(rows),
      official=len(rows)
      in clip_folder.OFFICIAL_COUNTS.get((self._plan.kind, split), ()),
      kept=len(remarks),
      remarks=decoding.count(remarks),
      missing=tuple(missing),
      damaged=tuple(damaged),
    )

  def _example(
    self, row: clip_folder.Row, stored: decoding.Stored
  ) -> dict[str, Any]:
    return {
      "frames": stored.frames,
      "sound": stored.audio,
      "labels": list(self._plan.classes.numbers(row)),
      "name": _key(row),
    }


def _key(row: clip_folder.Row) -> str:
  return f"{row.video_id} {row.start:g}-{row.end:g}"


def _distinct(classes: clip_folder.Classes) -> list[str]:
  """Returns the classes' names, with keys where a name is not unique."""
  names = classes.names
  return [
    name if names.count(name) == 1 else f"{name} ({key})"
    for key, name in zip(classes.keys, names)
  ]


@contextlib.contextmanager
def _decoded(
  jobs: list[decoding.Job], config: PrepareConfig
) -> Iterator[Iterator[decoding.Stored | str]]:
  """Decodes files, in order, several at a time."""
  decode = functools.partial(decoding.decode, config=config.storage)
  if not config.workers or not jobs:
    yield map(decode, jobs)
    return
  with multiprocessing.get_context("spawn").Pool(config.workers) as pool:
    yield pool.imap(decode, jobs)


def prepare(config: PrepareConfig) -> prepared.DatasetReport:
  """Writes the data set; it appears only when it is complete.

  Returns:
    A report of its complete, defective and missing clips.

  Raises:
    files.InputError: if a list cannot be used, the data set exists, a split has
      no clip, or a file is damaged and `stop_at_damaged` is set.
  """
  if config.output.exists():
    raise files.InputError(
      f"{config.output} is there already; remove it first."
    )
  plan = _plan(config)
  parent = config.output.absolute().parent
  parent.mkdir(parents=True, exist_ok=True)
  with tempfile.TemporaryDirectory(dir=parent, prefix=".preparing_") as scratch:
    builder = _Builder(config, plan, pathlib.Path(scratch))
    with contextlib.redirect_stdout(sys.stderr):
      builder.download_and_prepare()
    report = prepared.DatasetReport(
      kind=plan.kind,
      frame_rate=config.storage.frame_rate,
      sample_rate=config.storage.sample_rate,
      channels=config.storage.channels,
      splits=builder.reports,
    )
    folder = pathlib.Path(builder.data_path)
    text = json.dumps(dataclasses.asdict(report), indent=2)
    files.write_text(folder / prepared.REPORT, text + "\n")
    os.rename(folder, config.output)
  return report


def _plan(config: PrepareConfig) -> _Plan:
  """Reads the lists and finds the files.

  Raises:
    files.InputError: if they do not fit together.
  """
  paths = {
    "train": config.train,
    "validation": config.validation,
    "test": config.test,
  }
  listings = {
    split: [clip_folder.read_list(path) for path in lists]
    for split, lists in paths.items()
    if lists
  }
  every = [listing for lists in listings.values() for listing in lists]
  kinds = {listing.kind for listing in every}
  if len(kinds) > 1:
    raise files.InputError("the lists are of Kinetics and AudioSet; use one.")
  (kind,) = kinds
  if config.classes is not None:
    classes = clip_folder.read_classes(config.classes)
  elif kind == "audioset":
    raise files.InputError(
      "lists of AudioSet need --classes class_labels_indices.csv."
    )
  else:
    classes = clip_folder.classes_of(every)
  rows = {
    s: [r for x in lists for r in x.rows] for s, lists in listings.items()
  }
  for split, clips in rows.items():
    for row in clips:
      classes.numbers(row)
    if len({_key(row) for row in clips}) < len(clips):
      raise files.InputError(f"the lists of {split} name a clip twice.")
  return _Plan(kind, classes, rows, clip_folder.find_files(config.videos))


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare clips`.

  Raises:
    files.InputError: see `prepare`.
  """
  report = prepare(config)
  print(f"{config.output}:\n{report.describe()}")
