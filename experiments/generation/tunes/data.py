"""Folk tunes in ABC notation, from files or from the archive of music21.

  pip download music21==10.5.1 --no-deps
  python -m experiments.prepare tunes ARCHIVE tunes.jsonl

The archive, a wheel, has the Essen collection as text, 8,488 different tunes.
Variants of a tune are on one side of the split: those whose catalogue numbers
differ in a letter at their end, whose titles are equal, or whose notes begin
alike.
"""

from collections.abc import Callable, Hashable, Sequence
import dataclasses
import enum
import itertools
import random
import re
import zlib

from experiments.data import archives
from experiments.data import loader
from experiments.data import sources
from experiments.data import text_files
from experiments.generation import sequences
from perceiver import bounds

_HELD_OUT_ONE_OF = 20
_OPENING = 12  # steps between notes by which variants are found

PACKAGE = archives.Package(
  name="music21",
  version="10.5.1",
  registry="PyPI",
  download="pip download music21==10.5.1 --no-deps",
  sha256="dc3309498c4c95cebdf8d4f20c868deb6b63bce1d929cad4f51a7ccc982987b1",
  licence="BSD; its corpus as the files in it state",
)


class Corpus(enum.Enum):
  """The kind of tunes: FILES made by `prepare tunes`, or SYNTHETIC ones."""

  FILES = "files"
  SYNTHETIC = "synthetic"


@dataclasses.dataclass(frozen=True)
class Source(sources.Source):
  """Tunes, whose path is that of FILES."""

  kind: Corpus
  of_path = Corpus.FILES
  needs_path = (Corpus.FILES,)
  advice = PACKAGE.advice(
    "tunes ARCHIVE tunes.jsonl", "tunes --data.source tunes.jsonl"
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
  """The tunes.

  Attributes:
    source: the tunes.
    eval_windows: windows of an evaluation; None for all.
  """

  source: Source = Source(Corpus.FILES)
  eval_windows: int | None = None

  def __post_init__(self) -> None:
    bounds.check_ranges(self, "eval_windows")


def documents(source: Source) -> tuple[list[bytes], list[bytes]]:
  """Returns tunes for training, and held-out ones, without their names.

  Raises:
    files.InputError: if there are none.
  """
  if source.is_synthetic:
    found = [_walk(number) for number in range(400)]
  else:
    found = list(text_files.read_all(source.folder()))
  train: list[bytes] = []
  held_out: list[bytes] = []
  for tune, group in zip(found, groups(found)):
    name = zlib.crc32(found[group])
    side = train if name % _HELD_OUT_ONE_OF else held_out
    side.append(re.sub(rb"(?m)^[TN]:.*\n", b"", tune))
  return train, held_out


def splits(
  config: DataConfig, context: int, num_latents: int
) -> tuple[loader.Split, loader.Split]:
  """Returns the splits; entries are those of `sequences.example`.

  A side is one sequence of all its tunes, so that the context reaches back into
  the tunes before.
  """
  sides = documents(config.source)
  train, held_out = ([sequences.sequence(b"\n".join(x))] for x in sides)
  return sequences.splits(
    train,
    held_out,
    f"tunes, {config.source.kind.value}",
    context=context,
    num_latents=num_latents,
    most=config.eval_windows,
  )


def parse(text: str) -> list[bytes]:
  """Returns the tunes of an ABC file: its name, metre and key, then notes.

  Of the fields, T, N, M, L and K are kept; N is a number of a catalogue.
  """
  found = []
  for part in re.split(r"(?m)^X:.*$", text)[1:]:
    lines = [line.rstrip() for line in part.strip().splitlines()]
    kept = [x for x in lines if re.match(r"[TNMLK]:", x)]
    notes = [x for x in lines if x and not re.match(r"[A-Za-z]:|%", x)]
    if notes:
      found.append("\n".join([*kept, *notes, ""]).encode("utf-8"))
  return found


def groups(tunes: Sequence[bytes]) -> list[int]:
  """Returns the number of the first tune among each tune's variants."""
  parents = list(range(len(tunes)))

  def root(number: int) -> int:
    while parents[number] != number:
      parents[number] = parents[parents[number]]
      number = parents[number]
    return number

  names: Sequence[Callable[[bytes], Hashable]] = (_number, _title, _opening)
  for name in names:
    first: dict[Hashable, int] = {}
    for number, tune in enumerate(tunes):
      own = name(tune)
      if own:
        one, other = sorted((root(first.setdefault(own, number)), root(number)))
        parents[other] = one
  return [root(number) for number in range(len(tunes))]


def _field(tune: bytes, letter: bytes) -> bytes:
  match = re.search(rb"(?m)^%b:(.*)$" % letter, tune)
  return match[1].strip() if match else b""


def _number(tune: bytes) -> bytes:
  return re.sub(rb"[A-Za-z]$", b"", _field(tune, b"N"))


def _title(tune: bytes) -> bytes:
  return re.sub(rb"[^a-z]", b"", _field(tune, b"T").lower())


def _opening(tune: bytes) -> tuple[int, ...]:
  """Returns the steps between the first notes, whatever their key."""
  body = b"\n".join(x for x in tune.splitlines() if x[1:2] != b":")
  notes = re.findall(rb"([A-Ga-g])([,']*)", body)[: _OPENING + 1]
  degrees = [
    b"CDEFGAB".index(letter.upper())
    + 7 * (letter.islower() + marks.count(b"'") - marks.count(b","))
    for letter, marks in notes
  ]
  if len(degrees) <= _OPENING:
    return ()
  return tuple(b - a for a, b in itertools.pairwise(degrees))


def _walk(number: int) -> bytes:
  """Returns a tune of random steps in a random rhythm."""
  generator = random.Random(number)
  letters = "CDEFGABcdefgab"
  position, notes = generator.randrange(len(letters)), []
  for _ in range(16):
    position = min(max(position + generator.choice((-2, -1, 1, 2)), 0), 13)
    notes.append(letters[position] + generator.choice(("", "2")))
  body = " | ".join("".join(notes[i : i + 4]) for i in range(0, 16, 4))
  name = "".join("abcdefghij"[int(digit)] for digit in str(number))
  return f"T: {name}\nM: 4/4\nL: 1/8\nK: C\n{body}\n".encode()
