"""Turns a folder of video files into a data set that is quick to read.

  python -m experiments.prepare clips VIDEOS OUTPUT \\
      --train train.csv --validation validate.csv [--test test.csv]
  python -m experiments.prepare clips VIDEOS OUTPUT \\
      --train unbalanced_train_segments.csv balanced_train_segments.csv \\
      --validation eval_segments.csv --classes class_labels_indices.csv

The first is for Kinetics, the second for AudioSet; see `clip_folder` for files
and lists, `decoding` for files that are not as they should be.
Every file is decoded once; finished clips are kept in OUTPUT.unfinished, and
the same command goes on from them. The data set, ArrayRecord in the form of
TensorFlow Datasets, is then read without PyAV:

  --data.source OUTPUT
"""

import collections
from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import functools
import itertools
import json
import os
import pathlib
import sys
from typing import Any, NamedTuple

import tensorflow_datasets as tfds
import tyro

from experiments.audio_video.clips import clip_folder
from experiments.audio_video.clips import decoding
from experiments.audio_video.clips import prepared
from experiments.audio_video.clips import video_files
from experiments.data import files
from experiments.data import growing
from experiments.data import parallel
from experiments.runs import progress
from perceiver import bounds

_CLIPS_PER_FILE = 256  # about a gigabyte


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Turns a folder of video files into a data set that is quick to read.

  The lists are those of Kinetics or of AudioSet. The data set is then read with
  --data.source OUTPUT, without PyAV.

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
    bounds.check_ranges(self, workers="[0, inf)")


class Plan(NamedTuple):
  """Clips to store, and their files."""

  origin: pathlib.Path  # of the files, for errors
  kind: str  # "kinetics", "audioset" or another data set
  classes: clip_folder.Classes
  rows: dict[str, list[clip_folder.Row]]  # by split
  found: dict[str, pathlib.Path]  # video files by name


def _key(row: clip_folder.Row) -> str:
  return f"{row.video_id} {row.start:g}-{row.end:g}"


def _distinct(classes: clip_folder.Classes) -> list[str]:
  """Returns the classes' names, with keys where a name is not unique."""
  names = classes.names
  return [
    name if names.count(name) == 1 else f"{name} ({key})"
    for key, name in zip(classes.keys, names)
  ]


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
  video_files.load_av()
  return write(
    _plan(config),
    config.output,
    config.storage,
    workers=config.workers,
    stop_at_damaged=config.stop_at_damaged,
  )


def write(
  plan: Plan,
  output: pathlib.Path,
  storage: decoding.StorageConfig,
  *,
  workers: int = 0,
  stop_at_damaged: bool = False,
) -> prepared.DatasetReport:
  """Writes the data set of a plan; arguments are those of `PrepareConfig`.

  Raises:
    files.InputError: see `prepare`.
  """
  folder = output.absolute()
  folder = folder.with_name(f"{folder.name}.unfinished")
  growing.claim(folder, repr((storage, plan.classes, plan.rows)))
  features = _features(_distinct(plan.classes))
  splits = [
    growing.Split(
      folder,
      name,
      features,
      dataset="clips",
      examples_per_file=_CLIPS_PER_FILE,
    )
    for name in plan.rows
  ]
  decode = functools.partial(decoding.decode, config=storage)
  map_jobs = functools.partial(
    parallel.ordered_map,
    decode,
    workers=workers,
    died=lambda job: f"{job.path}: the process that decodes it dies",
  )
  report = prepared.DatasetReport(
    kind=plan.kind,
    frame_rate=storage.frame_rate,
    sample_rate=storage.sample_rate,
    channels=storage.channels,
    splits={
      split.name: _write(plan, split, map_jobs, stop_at_damaged)
      for split in splits
    },
  )
  text = json.dumps(dataclasses.asdict(report), indent=2)
  files.write_text(folder / prepared.REPORT, text + "\n")
  growing.finish(folder, output, splits)
  return report


def _features(class_names: Sequence[str]) -> tfds.features.FeaturesDict:
  # As text, whose encoding needs no TensorFlow, bytes stay as they are.
  text, label = tfds.features.Text(), tfds.features.ClassLabel
  return tfds.features.FeaturesDict(
    {
      "frames": tfds.features.Sequence(text),
      # The name in all data sets of this version.
      "sound": text,
      "labels": tfds.features.Sequence(label(names=list(class_names))),
      "name": text,
    }
  )


def _write(
  plan: Plan,
  finished: growing.Split,
  map_jobs: Callable[[Sequence[decoding.Job]], Any],
  stop_at_damaged: bool,
) -> prepared.SplitReport:
  """Decodes the clips of a split that are not finished yet."""
  split = finished.name
  if finished.lists:
    print(f"{split}: {len(finished.notes):,} clips are there", file=sys.stderr)
  rows = {_key(row): row for row in plan.rows[split]}
  jobs, missing, damaged = [], [], []
  for key in finished.missing(rows):
    path = clip_folder.file_of(rows[key], plan.found)
    if path is None:
      missing.append(key)
    else:
      labels = plan.classes.numbers(rows[key])
      start, end = rows[key].start, rows[key].end
      jobs.append(decoding.Job(key, labels, path, start, end))
  show = progress.counter(split, unit=" clips")
  decoded = map_jobs(jobs)

  def clips() -> Iterator[growing.Example]:
    for number, (job, stored) in enumerate(zip(jobs, decoded), 1):
      show(number, len(jobs))
      if not isinstance(stored, str):
        yield job.key, _example(job, stored), stored.remarks
      elif stop_at_damaged:
        raise files.InputError(stored)
      else:
        damaged.append(stored)

  with contextlib.closing(decoded):
    finished.add_all(clips())
  remarks = finished.notes
  if not remarks:
    reasons = [*damaged, *(f"{key}: it has no file" for key in missing)]
    raise files.InputError(
      f"none of the {len(rows)} clips of {split} could be read in "
      f"{plan.origin}: {files.commonest(reasons)}"
    )
  official = clip_folder.OFFICIAL_COUNTS.get((plan.kind, split), ())
  counts = collections.Counter(itertools.chain(*remarks.values()))
  return prepared.SplitReport(
    listed=len(rows),
    official=len(rows) in official,
    kept=len(remarks),
    remarks=dict(counts),
    missing=tuple(sorted(missing)),
    damaged=tuple(damaged),
  )


def _example(job: decoding.Job, stored: decoding.Stored) -> Mapping[str, Any]:
  return {
    "frames": stored.frames,
    "sound": stored.audio,
    "labels": list(job.labels),
    "name": job.key,
  }


def _plan(config: PrepareConfig) -> Plan:
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
  if not classes.keys and (config.train or config.validation):
    raise files.InputError("the lists have no labels; expected a column label.")
  for split, clips in rows.items():
    for row in clips:
      classes.numbers(row)
    if len({_key(row) for row in clips}) < len(clips):
      raise files.InputError(f"the lists of {split} name a clip twice.")
  found = clip_folder.find_files(config.videos)
  return Plan(config.videos, kind, classes, rows, found)


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare clips`.

  Raises:
    files.InputError: see `prepare`.
  """
  report = prepare(config)
  print(f"{config.output}:\n{report.describe()}")
