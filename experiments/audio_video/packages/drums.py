"""Kinds of drums, from the kits of the drum machine Hydrogen.

  apt-get download hydrogen-drumkits
  python -m experiments.prepare drums ARCHIVE DIR
  python -m experiments.train audioset --recipe drums --data.source DIR

Fourteen kits by ten designers have 754 recordings, each of an instrument with
a name. Those whose name has a word of one of six kinds are kept, of twelve kits
by nine designers. All kits of a designer stand on one side. The licence is the
kit's: GPL-2+, CC-BY-3.0, CC-BY-SA-3.0 or CC0.
"""

from collections.abc import Iterator, Mapping
import dataclasses
import pathlib
import re
from xml.etree import ElementTree

from experiments.audio_video.clips import decoding
from experiments.audio_video.packages import clip_sets
from experiments.data import files

_KINDS = {
  "crash": r"crash|splash|china",
  "hi-hat": r"\bo?hh\b|\bhat\b|\bhi[- ]hat",
  "kick": r"kick|bass ?drum",
  "ride": r"\bride",
  "snare": r"snare",
  "tom": r"\btom",
}
# Folders of kits: of four designers, and of one more for choices.
_TEST = (
  "Audiophob",
  "BJA_Pacific",
  "ColomboAcousticDrumkit",
  "rumpf_kit_z01_h2",
)
_FOR_CHOICES = ("Millo-Drums_v.1", "Millo_MultiLayered2", "Millo_MultiLayered3")
_KIT = "drumkit.xml"
CLIPS = clip_sets.ClipSet(
  name="drums",
  class_names=tuple(_KINDS),
  patterns=(f"*/{_KIT}", "*.wav", "*.flac", "*.aiff"),
  storage=decoding.StorageConfig(frame_rate=25.0, sample_rate=48_000),
  seconds=0.96,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig(clip_sets.PrepareConfig):
  """Writes recordings of drums as clips without video, of six kinds.

  Attributes:
    archive: the .deb of the package hydrogen-drumkits.
    folder: the folder of the data set, which must not exist.
    hold_out: evaluate three training kits in place of the test's, for choices
      between settings.
  """


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare drums`.

  Raises:
    files.InputError: see `clip_sets.prepare`.
  """
  clip_sets.prepare(CLIPS, config, _samples)


def kind_of(instrument: str) -> str | None:
  """Returns the kind of an instrument by its name, without what is in brackets.

  None if it has no word of a kind, or words of several.
  """
  name = instrument.lower().split("(")[0]
  kinds = [kind for kind, words in _KINDS.items() if re.search(words, name)]
  return kinds[0] if len(kinds) == 1 else None


def _samples(
  found: Mapping[str, pathlib.Path], hold_out: bool
) -> Iterator[clip_sets.Sample]:
  """Yields the recordings that are of one kind in all instruments with them."""
  for place in found:
    kit = pathlib.PurePath(place)
    if kit.name != _KIT:
      continue
    kinds: dict[str, set[str | None]] = {}
    for name, file in _layers(files.read_bytes(found[place])):
      kinds.setdefault(file, set()).add(kind_of(name))
    part = clip_sets.part_of(
      is_test=kit.parent.name in _TEST,
      for_choices=kit.parent.name in _FOR_CHOICES,
      hold_out=hold_out,
    )
    for file, of_file in sorted(kinds.items()):
      # Some kits name files that they lack.
      path = found.get(str(kit.parent / file))
      kind = of_file.pop()
      if path is not None and kind is not None and not of_file:
        yield clip_sets.Sample(f"{kit.parent.name}/{file}", kind, path, part)


def _layers(content: bytes) -> Iterator[tuple[str, str]]:
  """Yields a kit's instruments and the names of their files."""
  kit = ElementTree.fromstring(content)
  for instrument in kit.iterfind(".//{*}instrument"):
    name = instrument.findtext("{*}name") or ""
    for file in instrument.iterfind(".//{*}filename"):
      yield name, file.text or ""
