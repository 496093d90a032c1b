"""Spoken letters of fourteen languages, from the program KLettres.

  apt-get download klettres-data
  python -m experiments.prepare letters ARCHIVE DIR
  python -m experiments.train audioset --recipe letters --data.source DIR

A speaker of each language names the letters of its alphabet; the letters A to Z
of alphabets that have most of them are kept. Every fourth language, in the
order of their codes, is the test set, so that no speaker stands on both sides.
A letter's name is not the same in all languages. GPL-2+.
"""

from collections.abc import Iterator, Mapping
import dataclasses
import pathlib
import string
from xml.etree import ElementTree

from experiments.audio_video.clips import decoding
from experiments.audio_video.packages import clip_sets
from experiments.data import files

CLIPS = clip_sets.ClipSet(
  name="letters",
  class_names=tuple(string.ascii_uppercase),
  patterns=("*/sounds.xml", "*/alpha/*.ogg"),
  storage=decoding.StorageConfig(
    frame_rate=25.0, sample_rate=16_000, trim=True
  ),
  seconds=1.28,
)
_FEWEST = 15  # letters of an alphabet that is kept
_PERIOD, _TEST, _FOR_CHOICES = 4, 3, 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig(clip_sets.PrepareConfig):
  """Writes spoken letters as clips without video, of 26 classes.

  Attributes:
    archive: the .deb of the package klettres-data.
    folder: the folder of the data set, which must not exist.
    hold_out: evaluate the third of four languages, and leave out the fourth,
      for choices between settings.
  """


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare letters`.

  Raises:
    files.InputError: see `clip_sets.prepare`.
  """
  clip_sets.prepare(CLIPS, config, _samples)


def _samples(
  found: Mapping[str, pathlib.Path], hold_out: bool
) -> Iterator[clip_sets.Sample]:
  alphabets = dict(_alphabets(found))
  kept = sorted(x for x, a in alphabets.items() if len(a) >= _FEWEST)
  for number, language in enumerate(kept):
    part = clip_sets.part_of(
      is_test=number % _PERIOD == _TEST,
      for_choices=number % _PERIOD == _FOR_CHOICES,
      hold_out=hold_out,
    )
    for letter, path in alphabets[language].items():
      yield clip_sets.Sample(f"{language}/{letter}", letter, path, part)


def _alphabets(
  found: Mapping[str, pathlib.Path],
) -> Iterator[tuple[str, dict[str, pathlib.Path]]]:
  """Yields languages and the files of their letters from A to Z.

  A list may name files of other languages, or files that are not there.
  """
  for place in found:
    table = pathlib.PurePath(place)
    if table.suffix != ".xml":
      continue
    language, root = table.parent.name, table.parent.parent
    listed = ElementTree.fromstring(files.read_bytes(found[place]))
    named = {
      x.get("name", "").upper(): x.get("file", "")
      for x in listed.iterfind(".//alphabet/sound")
    }
    yield (
      language,
      {
        letter: found[str(root / named[letter])]
        for letter in CLIPS.class_names
        if named.get(letter, "").startswith(f"{language}/")
        and str(root / named[letter]) in found
      },
    )
