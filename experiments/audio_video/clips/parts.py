"""Growing data sets of clips: files of examples that are kept if work ends.

The files are ArrayRecord in the form of TensorFlow Datasets.
"""

from collections.abc import Iterator, Sequence
import itertools
import json
import pathlib

from array_record.python import array_record_module  # type: ignore[import-untyped]
import tensorflow_datasets as tfds

from experiments.audio_video.clips import decoding
from experiments.data import files

_CLIPS_PER_FILE = 256  # about a gigabyte

Clips = Iterator[tuple[decoding.Job, decoding.Stored]]


class Parts:
  """Finished clips of a split: files of examples, each with a list of them.

  A file counts once its list is there: the remarks on its clips, by their keys.
  """

  def __init__(
    self, folder: pathlib.Path, split: str, class_names: Sequence[str]
  ) -> None:
    """Reads the lists of what is finished."""
    self.split, self._folder = split, folder
    # As text, whose encoding needs no TensorFlow, bytes stay as they are.
    text, label = tfds.features.Text(), tfds.features.ClassLabel
    self.features = tfds.features.FeaturesDict(
      {
        "frames": tfds.features.Sequence(text),
        # The name in all data sets of this version.
        "sound": text,
        "labels": tfds.features.Sequence(label(names=list(class_names))),
        "name": text,
      }
    )
    self.template = tfds.core.ShardedFileTemplate(
      data_dir=folder,
      dataset_name="clips",
      split=split,
      filetype_suffix="array_record",
      template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}",
    )
    lists = files.list_files(folder, f"{split}.*.json")
    self.lists: list[dict[str, Sequence[str]]] = [
      json.loads(files.read_bytes(path)) for path in lists
    ]

  @property
  def remarks(self) -> dict[str, Sequence[str]]:
    """Remarks on all clips by their keys."""
    return {key: found for part in self.lists for key, found in part.items()}

  def add_all(self, clips: Clips) -> None:
    """Writes clips; those before an error are kept."""
    for first in clips:
      more = itertools.islice(clips, _CLIPS_PER_FILE - 1)
      self._add(itertools.chain([first], more))

  def _add(self, clips: Clips) -> None:
    number = len(self.lists)
    part: dict[str, Sequence[str]] = {}
    writer = array_record_module.ArrayRecordWriter(
      str(self.path(number)), "group_size:1"
    )
    try:
      for job, stored in clips:
        example = {
          "frames": stored.frames,
          "sound": stored.audio,
          "labels": list(job.labels),
          "name": job.key,
        }
        encoded = self.features.encode_example(example)
        writer.write(self.features.serialize_example(encoded))
        part[job.key] = stored.remarks
    finally:
      writer.close()
      self.lists.append(part)
      name = self.list_names()[number]
      files.write_text(self._folder / name, json.dumps(part))

  def list_names(self) -> list[str]:
    """Returns the names of the files of lists."""
    return [f"{self.split}.{i:05d}.json" for i in range(len(self.lists))]

  def path(self, number: int) -> pathlib.Path:
    """Returns a file of examples."""
    return pathlib.Path(
      self.template.sharded_filepath(shard_index=number, num_shards=None)
    )


def write_metadata(folder: pathlib.Path, found: Sequence[Parts]) -> None:
  """Makes a data set of TensorFlow Datasets of the finished files."""
  tfds.folder_dataset.write_metadata(
    data_dir=folder,
    features=found[0].features,
    split_infos=[
      tfds.core.SplitInfo(
        name=parts.split,
        shard_lengths=list(map(len, parts.lists)),
        num_bytes=sum(
          parts.path(i).stat().st_size for i in range(len(parts.lists))
        ),
        filename_template=parts.template,
      )
      for parts in found
    ],
    version="1.0.0",
    filename_template=found[0].template,
    check_data=False,  # needs TensorFlow
  )
