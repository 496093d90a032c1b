"""Pictures with their spoken names, from the stamps of Tux Paint.

  apt-get download tuxpaint-stamps-default
  python -m experiments.prepare stamps ARCHIVE DIR
  python -m experiments.train audioset --recipe stamps --data.source DIR

A picture is cut out, here on white, and its name is spoken in up to twelve
languages: a clip each, of one of eight kinds of things, the folders with the
most pictures. All clips of a picture stand on one side, with those of its
siblings: pictures whose names begin with the same word, or that share a
recording. GPL-2.
"""

from collections.abc import Iterator, Mapping
import dataclasses
import pathlib
import re
import zlib

from PIL import Image

from experiments.audio_video.clips import decoding
from experiments.audio_video.packages import clip_sets
from experiments.data import files

SIZE = (48, 48)
CLIPS = clip_sets.ClipSet(
  name="stamps",
  class_names=(
    "animals",
    "food",
    "household",
    "plants",
    "seasonal",
    "symbols",
    "town",
    "vehicles",
  ),
  patterns=("*/stamps/*.png", "*_desc*.ogg", "*_desc*.wav"),
  storage=decoding.StorageConfig(
    frame_rate=1.0, sample_rate=16_000, short_side=SIZE[0], trim=True
  ),
  seconds=2.0,
)
_NAME = re.compile(r"(.*)_desc(?:_[A-Za-z_]+)?\.(?:ogg|wav)")
# Of five groups of siblings.
_PERIOD, _TEST, _FOR_CHOICES = 5, 4, 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig(clip_sets.PrepareConfig):
  """Writes pictures with their spoken names as clips, of eight kinds.

  Attributes:
    archive: the .deb of the package tuxpaint-stamps-default.
    folder: the folder of the data set, which must not exist.
    hold_out: evaluate a fifth of the pictures that are for training, and leave
      out the test's, for choices between settings.
  """


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare stamps`.

  Raises:
    files.InputError: see `clip_sets.prepare`.
  """
  clip_sets.prepare(CLIPS, config, _samples)


def _samples(
  found: Mapping[str, pathlib.Path], hold_out: bool
) -> Iterator[clip_sets.Sample]:
  """Yields the clips; the picture of each is written beside its recording."""
  pictures = dict(_pictures(found))
  groups = _groups({name: found[name] for name in pictures})
  for name, picture in sorted(pictures.items()):
    short = name.partition("/stamps/")[2]
    number = zlib.crc32(groups[name].encode()) % _PERIOD
    part = clip_sets.part_of(
      is_test=number == _TEST,
      for_choices=number == _FOR_CHOICES,
      hold_out=hold_out,
    )
    if part is not None:
      on_white(picture).save(found[name].with_suffix(".png"))
    yield clip_sets.Sample(short, short.split("/")[0], found[name], part)


def _pictures(
  found: Mapping[str, pathlib.Path],
) -> Iterator[tuple[str, pathlib.Path]]:
  """Yields the recordings of the eight kinds, with the files of pictures."""
  for name in found:
    if match := _NAME.fullmatch(name):
      picture = found.get(f"{match[1]}.png")
      kind = name.partition("/stamps/")[2].split("/")[0]
      if picture is not None and kind in CLIPS.class_names:
        yield name, picture


def _groups(recordings: Mapping[str, pathlib.Path]) -> dict[str, str]:
  """Returns a word for every recording, the same for all siblings."""
  merged: dict[str, str] = {}

  def group(word: str) -> str:
    while word in merged:
      word = merged[word]
    return word

  first: dict[bytes, str] = {}
  for name, path in recordings.items():
    content, word = path.read_bytes(), group(_word(name))
    other = group(first.setdefault(content, word))
    if other != word:
      merged[word] = other
  return {name: group(_word(name)) for name in recordings}


def _word(name: str) -> str:
  """Returns the letters that the name of a picture begins with."""
  found = re.match("[a-z]*", pathlib.PurePath(name).name.lower())
  assert found is not None  # It matches anything.
  return found[0]


def on_white(path: pathlib.Path) -> Image.Image:
  """Returns the picture of a file in the middle of a white square.

  Raises:
    files.InputError: if it cannot be read.
  """
  try:
    with Image.open(path, formats=("PNG",)) as opened:
      picture = opened.convert("RGBA")
  except (OSError, ValueError) as error:
    raise files.InputError(f"{path} cannot be read: {error}") from error
  side = max(picture.size)
  square = Image.new("RGBA", (side, side), "white")
  corner = tuple((side - length) // 2 for length in picture.size)
  square.alpha_composite(picture, corner)
  return square.convert("RGB").resize(SIZE)
