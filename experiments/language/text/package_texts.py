"""Real prose for pre-training, from the archives of ordinary packages.

  apt-get download linux-doc-6.1 wordnet-base
  python -m experiments.prepare texts ARCHIVE DIR
  python -m experiments.train masked-language --recipe small --data.source DIR

The kernel's documentation is 29 MB of prose and examples under GPL-2,
WordNet's glosses are 117,659 definitions under Princeton's licence.
"""

from collections.abc import Callable, Iterator
import dataclasses
import gzip
import json
import pathlib

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
_GLOSSES = 20  # of a document


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
  """Takes texts for masked language modelling out of packages' archives.

  Attributes:
    archive: the .deb of the package linux-doc-6.1 or wordnet-base.
    folder: the folder for the texts, one .jsonl file for each package.
  """

  archive: tyro.conf.Positional[pathlib.Path]
  folder: tyro.conf.Positional[pathlib.Path]


def _documentation(archive: pathlib.Path) -> Iterator[str]:
  patterns = ("*/Documentation/*.rst.gz", "*/Documentation/*.txt.gz")
  for _, content in LINUX_DOC.members(archive, *patterns):
    yield gzip.decompress(content).decode("utf-8", "replace")


def _glosses(archive: pathlib.Path) -> Iterator[str]:
  """Yields documents of definitions, one a line, in the files' order."""
  for _, content in WORDNET.members(archive, "usr/share/wordnet/data.*"):
    lines = content.decode("utf-8", "replace").splitlines()
    # Lines of the licence, which comes first, begin with a space.
    found = [
      line.partition(" | ")[2].strip()
      for line in lines
      if not line.startswith(" ") and " | " in line
    ]
    for start in range(0, len(found), _GLOSSES):
      yield "\n".join(found[start : start + _GLOSSES])


_PACKAGES: dict[str, Callable[[pathlib.Path], Iterator[str]]] = {
  "linux-doc": _documentation,
  "wordnet": _glosses,
}


def run(config: PrepareConfig) -> None:
  """Runs the command `prepare texts`.

  Raises:
    files.InputError: if an archive is none of the packages', or damaged.
  """
  names = [name for name in _PACKAGES if config.archive.name.startswith(name)]
  if not names:
    raise files.InputError(
      f"{config.archive} is not of the packages {LINUX_DOC} and {WORDNET}; "
      f"expected a file as `{LINUX_DOC.download}` or `{WORDNET.download}` "
      "brings."
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
