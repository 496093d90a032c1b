"""The same tunes in other keys: more tunes to learn from.

A note moves by as many letters as the key's note does. An accidental keeps its
distance from the key's own, so that all notes move by the same interval.
"""

from collections.abc import Sequence
import random
import re

from experiments.generation.tunes import notes

_LETTERS = "CDEFGAB"
_KEY = re.compile(rb"(?m)^K:\s*([A-G][b#]?)\s*$")
_NOTE = re.compile(r"([\^_=]*)([A-Ga-g])([,']*)")


def copies(tunes: Sequence[bytes], number: int) -> list[list[bytes]]:
  """Returns further copies of tunes, each tune in the key of a random tune.

  Common keys are thereby as common in the copies.

  Args:
    tunes: in ABC notation.
    number: of the copies.
  """
  keys = [match[1] for match in map(_KEY.search, tunes) if match]
  return [
    [
      transposed(tune, generator.choice(keys)) if keys else tune
      for tune in tunes
    ]
    for generator in map(random.Random, range(number))
  ]


def transposed(tune: bytes, key: bytes) -> bytes:
  """Returns a tune in another major key, the nearer one of that name.

  A tune whose key is not a plain major one stays as it is, and so does one that
  would need an accidental of more than two signs.

  Args:
    tune: fields and notes in ABC notation.
    key: letter, and `b` or `#`.
  """
  match = _KEY.search(tune)
  if not match:
    return tune
  old, new = (notes.signature(x.decode()) for x in (match[1], key))
  steps = _LETTERS.index(chr(key[0])) - _LETTERS.index(chr(match[1][0]))
  steps = (steps + 3) % 7 - 3
  too_many = False

  def moved(note: re.Match[str]) -> str:
    nonlocal too_many
    letter = note[2].upper()
    octave = note[2].islower() + note[3].count("'") - note[3].count(",")
    carry, position = divmod(_LETTERS.index(letter) + steps, 7)
    octave, target = octave + carry, _LETTERS[position]
    sign = ""
    if note[1]:
      change = notes.alteration(note[1]) - old.get(letter, 0)
      change += new.get(target, 0)
      too_many |= abs(change) > 2
      sign = "^" * change or "_" * -change or "="
    if octave < 1:
      return sign + target + "," * -octave
    return sign + target.lower() + "'" * (octave - 1)

  lines = [
    line if line[1:2] == ":" else _NOTE.sub(moved, line)
    for line in tune.decode().split("\n")
  ]
  result = _KEY.sub(rb"K: " + key, "\n".join(lines).encode(), count=1)
  return tune if too_many else result
