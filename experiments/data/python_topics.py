"""The English prose that ships with Python: what `help("lambda")` prints.

About half a megabyte on some eighty topics of the language, by its authors
under the Python Software Foundation's license. Which topics there are depends
on Python's version.
"""

import itertools
import random
import re
import zlib

_FOLDS, _HELD_OUT_FOLD = 10, 5
_NUM_SYNTHETIC, _SYNTHETIC_WORDS = 500, 400


def documents(held_out: bool) -> list[bytes]:
  """Returns one document per topic, in the order of their names.

  A tenth of the topics, selected by a hash of their names, is held out. Topics
  quote one another: paragraphs of held-out topics are removed from all others.

  Args:
    held_out: whether to return the held-out topics or those for training.
  """
  held, rest = _divided()
  if held_out:
    return [text.encode() for text in held.values()]
  known = {_bare(part) for text in held.values() for part in _paragraphs(text)}
  kept = [
    "\n\n".join(p for p in _paragraphs(text) if _bare(p) not in known)
    for text in rest.values()
  ]
  return [text.encode() for text in kept if text.strip()]


def synthetic(held_out: bool) -> list[bytes]:
  """Returns documents of which each word follows the one before in a topic.

  Args:
    held_out: as for `documents`, whose words they have.
  """
  generator = random.Random(held_out)
  found = []
  words = b" ".join(documents(held_out)).split()
  followers: dict[bytes, list[bytes]] = {}
  for word, following in itertools.pairwise([*words, words[0]]):
    followers.setdefault(word, []).append(following)
  for _ in range(_NUM_SYNTHETIC // (10 if held_out else 1)):
    document = [generator.choice(words)]
    for _ in range(_SYNTHETIC_WORDS - 1):
      document.append(generator.choice(followers[document[-1]]))
    found.append(b" ".join(document))
  return found


def _divided() -> tuple[dict[str, str], dict[str, str]]:
  """Returns topics held out, and the others."""
  from pydoc_data import topics

  divided: tuple[dict[str, str], dict[str, str]] = ({}, {})
  for name, text in sorted(topics.topics.items()):
    is_held_out = zlib.crc32(name.encode()) % _FOLDS == _HELD_OUT_FOLD
    divided[not is_held_out][name] = text
  return divided


def _paragraphs(text: str) -> list[str]:
  return re.split(r"\n[ \t]*\n", text)


def _bare(paragraph: str) -> str:
  """Returns a paragraph without its indentation and line breaks."""
  return " ".join(paragraph.split())
