"""Notes of tunes in ABC notation: as numbers, as MIDI, and as a plot.

Understood are keys with their modes, the unit of length, accidentals until the
next bar line, octaves, lengths and rests. What is not is left out: a sampled
tune need not be a correct one.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
import pathlib
import re
from typing import NamedTuple

from experiments.data import files
from experiments.runs import plots

_SHARPS = "FCGDAEB"
_MODES = {"m": -3, "min": -3, "mix": -1, "dor": -2, "phr": -4, "lyd": 1}
_PITCHES = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11)))
_ACCIDENTALS = {"^": 1, "_": -1, "=": 0}
_TOKEN = re.compile(
  r"\||(?P<sign>[\^_=]*)(?P<letter>[A-Ga-gzx])(?P<octave>[,']*)"
  r"(?P<length>\d*)(?P<slashes>/*)(?P<divisor>\d*)"
)
_TICKS = 480  # of a quarter note
_LONGEST = 64  # of a note, in units


class Note(NamedTuple):
  """A note: its pitch in semitones, 60 for middle C, and its time.

  Times are in whole notes.
  """

  pitch: int
  start: Fraction
  length: Fraction


def parse(tune: str) -> list[Note]:
  """Returns the notes of a tune."""
  fields = dict(re.findall(r"(?m)^([A-Za-z]):\s*(.*)$", tune))
  unit = _unit(fields.get("L", ""))
  signature = _signature(fields.get("K", "C"))
  signs, time, found = dict(signature), Fraction(0), []
  body = "\n".join(x for x in tune.splitlines() if x[1:2] != ":")
  for token in _TOKEN.finditer(body):
    if token["letter"] is None:  # a bar line
      signs = dict(signature)
      continue
    length = unit * _factor(token)
    letter = token["letter"].upper()
    if token["sign"]:
      signs[letter] = sum(_ACCIDENTALS[sign] for sign in token["sign"])
    if letter in _PITCHES:
      octave = token["letter"].islower() + token["octave"].count("'")
      octave -= token["octave"].count(",")
      pitch = 60 + 12 * octave + _PITCHES[letter] + signs.get(letter, 0)
      found.append(Note(min(max(pitch, 0), 127), time, length))
    time += length
  return found


def _unit(text: str) -> Fraction:
  match = re.fullmatch(r"1/(\d{1,2})", text.strip())
  return Fraction(1, int(match[1]) or 8) if match else Fraction(1, 8)


def _factor(token: re.Match[str]) -> Fraction:
  """Returns the length of a note in units."""
  factor = Fraction(min(int(token["length"][:4] or 1), _LONGEST))
  if not token["slashes"]:
    return factor
  default = min(2 ** len(token["slashes"]), _LONGEST)
  return factor / (int(token["divisor"][:2] or 0) or default)


def _signature(key: str) -> dict[str, int]:
  """Returns the accidentals of a key, such as "Gm" or "D mix"."""
  match = re.match(r"([A-G])([b#]?)\s*([a-zA-Z]*)", key.strip())
  if not match:
    return {}
  count = _SHARPS.index(match[1]) - 1
  count += {"": 0, "#": 7, "b": -7}[match[2]]
  mode = match[3].lower()
  count += _MODES.get(mode[:3], 0)
  letters = _SHARPS[:count] if count > 0 else _SHARPS[::-1][:-count]
  return dict.fromkeys(letters, 1 if count > 0 else -1)


def write_midi(path: pathlib.Path, notes: Sequence[Note]) -> None:
  """Writes notes as a MIDI file of one track."""
  events: list[tuple[int, int, int]] = []  # tick, status, pitch
  for note in notes:
    begin, end = (
      int(4 * _TICKS * time) for time in (note.start, note.start + note.length)
    )
    events += [(begin, 0x90, note.pitch), (end, 0x80, note.pitch)]
  track, now = bytearray(), 0
  for tick, status, pitch in sorted(events):  # ends before beginnings
    track += bytes(_variable(tick - now)) + bytes([status, pitch, 80])
    now = tick
  track += b"\x00\xff\x2f\x00"
  header = b"MThd" + b"".join(
    number.to_bytes(size, "big")
    for number, size in ((6, 4), (0, 2), (1, 2), (_TICKS, 2))
  )
  content = header + b"MTrk" + len(track).to_bytes(4, "big") + bytes(track)
  files.write_bytes(path, content)


def _variable(number: int) -> Iterator[int]:
  """Yields a number in groups of seven bits, the last without the top bit."""
  groups = [number & 0x7F]
  while number := number >> 7:
    groups.append(number & 0x7F | 0x80)
  yield from reversed(groups)


def plot(path: pathlib.Path, tunes: Sequence[Sequence[Note]]) -> None:
  """Plots the notes of tunes over time, one tune below another."""
  figure, axes = plots.pyplot().subplots(
    len(tunes), 1, figsize=(9, 1.8 * len(tunes)), squeeze=False
  )
  for axis, tune in zip(axes[:, 0], tunes):
    for note in tune:
      span = float(note.start), float(note.length)
      axis.broken_barh([span], (note.pitch - 0.4, 0.8))
    axis.set_ylabel("semitone")
  axes[-1, 0].set_xlabel("whole notes")
  plots.save(figure, path, "Notes of sampled tunes, one tune below another")
