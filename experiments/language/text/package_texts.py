"""Real prose for pre-training, from the archives of ordinary packages.

  apt-get download linux-doc-6.1 wordnet-base dict-gcide
  python -m experiments.prepare texts ARCHIVE DIR
  python -m experiments.train masked-language --recipe small --data.source DIR

The kernel's documentation is 29 MB of prose and examples under GPL-2, WordNet
117,659 sets of words with their glosses under Princeton's licence, and the GNU
Collaborative International Dictionary of English 29 MB of definitions and
quotations, mostly of 1913, under GPL-2 or later.
"""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import gzip
import json
import pathlib
import re

import tyro

from experiments.data import archives
from experiments.data import files

LINUX_DOC = archives.Package(
  name="linux-doc-6.1",
  version="6.1.192-2",
  registry="Debian",
  download="apt-get download linux-doc-6.1=6.1.192-2",
  sha256="d1d1b5a602f0d439ecc39e713e044bf2df30d839fb4bf8a7b859ba3273c47993",
  licence="GPL-2",
)
WORDNET = archives.Package(
  name="wordnet-base",
  version="1:3.0-37",
  registry="Debian",
  download="apt-get download wordnet-base",
  sha256="61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752",
  licence="WordNet",
)
GCIDE = archives.Package(
  name="dict-gcide",
  version="0.48.5+nmu2",
  registry="Debian",
  download="apt-get download dict-gcide=0.48.5+nmu2",
  sha256="7b0af5cfde3cbdef5e9d6e78f92ec335ced7c2790f37a40f49bebc6f7347ac0f",
  licence="GPL-2+",
)
_PER_DOCUMENT = 20  # glosses, or entries of a dictionary
# Digits of numbers in a dictionary's index, see dictd(8).
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# Pronunciations, the sources of entries, and marks of words to look up.
_NO_PROSE = re.compile(
  r"\\[^\\]*\\,?|\[[^]]*(?:Webster|WordNet|PJC|Century Dict)[^]]*\]|[{}]"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Takes texts for masked language modelling out of packages' archives.

  Attributes:
    archive: the .deb of the package linux-doc-6.1, wordnet-base or dict-gcide.
    folder: the folder for the texts, one .jsonl file for each package.
  """

  archive: tyro.conf.Positional[pathlib.Path]
  folder: tyro.conf.Positional[pathlib.Path]


def _documentation(archive: pathlib.Path) -> Iterator[str]:
  patterns = ("*/Documentation/*.rst.gz", "*/Documentation/*.txt.gz")
  for _, content in LINUX_DOC.members(archive, *patterns):
    yield gzip.decompress(content).decode("utf-8", "replace")


def _glosses(archive: pathlib.Path) -> Iterator[str]:
  """Yields documents of words and what they mean, in the files' order."""
  found = []
  for _, content in WORDNET.members(archive, "usr/share/wordnet/data.*"):
    for line in content.decode("utf-8", "replace").splitlines():
      # Lines of the licence, which comes first, begin with a space.
      if not line.startswith(" ") and " | " in line:
        found.append(_gloss(line))
  yield from _documents(found)


def _gloss(line: str) -> str:
  """Returns words and gloss of a line, whose form is that of wndb(5)."""
  fields, _, gloss = line.partition(" | ")
  _, _, _, count, *words = fields.split()
  names = [word.replace("_", " ") for word in words[: 2 * int(count, 16) : 2]]
  # Where an adjective may stand is in parentheses behind it.
  return (
    ", ".join(name.partition("(")[0] for name in names) + f": {gloss.strip()}"
  )


def _entries(archive: pathlib.Path) -> Iterator[str]:
  """Yields documents of a dictionary's entries, in its order."""
  folder = "usr/share/dictd"
  members = {
    pathlib.PurePath(name).suffix: content
    for name, content in GCIDE.members(
      archive, f"{folder}/gcide.index", f"{folder}/gcide.dict.dz"
    )
  }
  text = gzip.decompress(members[".dz"])
  places = set[tuple[int, int]]()
  for line in members[".index"].decode("utf-8").splitlines():
    word, start, length = line.split("\t")
    if not word.startswith("00"):  # of the dictionary itself
      places.add((_number(start), _number(length)))
  found = (
    _entry(text[start : start + length].decode("utf-8", "replace"))
    for start, length in sorted(places)
  )
  yield from _documents([entry for entry in found if entry])


def _number(digits: str) -> int:
  number = 0
  for digit in digits:
    number = len(_DIGITS) * number + _DIGITS.index(digit)
  return number


def _entry(text: str) -> str:
  """Returns the paragraphs of an entry, each of one line."""
  paragraphs = re.split(r"\n\s*\n", text)
  joined = [_NO_PROSE.sub("", " ".join(p.split())) for p in paragraphs]
  return "\n".join(" ".join(p.split()) for p in joined if p.strip())


def _documents(parts: Sequence[str]) -> Iterator[str]:
  for start in range(0, len(parts), _PER_DOCUMENT):
    yield "\n".join(parts[start : start + _PER_DOCUMENT])


_PACKAGES: dict[str, Callable[[pathlib.Path], Iterator[str]]] = {
  "linux-doc": _documentation,
  "wordnet": _glosses,
  "dict-gcide": _entries,
}


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare texts`.

  Raises:
    files.InputError: if an archive is none of the packages', or damaged.
  """
  names = [name for name in _PACKAGES if config.archive.name.startswith(name)]
  if not names:
    packages = (LINUX_DOC, WORDNET, GCIDE)
    raise files.InputError(
      f"{config.archive} is not of the packages "
      f"{', '.join(map(str, packages))}; expected a file as one of "
      f"{', '.join(f'`{each.download}`' for each in packages)} brings."
    )
  texts = list(_PACKAGES[names[0]](config.archive))
  lines = (json.dumps({"text": text}) + "\n" for text in texts)
  files.make_folder(config.folder)
  path = config.folder / f"{names[0]}.jsonl"
  files.write_text(path, "".join(lines))
  size = sum(map(len, texts)) / 1e6
  print(f"{path}: {len(texts):,} texts, {size:.1f} million characters")
  print(
    "to train on them: python -m experiments.train masked-language --recipe "
    f"small --data.source {config.folder}"
  )
