"""Code and commands in documents."""

import pathlib
import re
import shlex

from tests.helpers import folders

_FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
_ENDS = {"&", "|", ";", ">", "done"}


def pages() -> list[pathlib.Path]:
  """Returns all documents, tutorials but for what their cells run included."""
  root = folders.ROOT
  found = [root / "README.md", root / "CONTRIBUTING.md"]
  return found + sorted((root / "docs").rglob("*.md"))


def python_blocks(page: pathlib.Path) -> list[str]:
  """Returns the Python code of a page, block by block."""
  text = page.read_text(encoding="utf-8")
  return [code for kind, code in _FENCED.findall(text) if kind == "python"]


def prose(page: pathlib.Path) -> str:
  """Returns the text of a page without its blocks."""
  return _FENCED.sub("", page.read_text(encoding="utf-8"))


def commands(page: pathlib.Path) -> list[tuple[str, tuple[str, ...]]]:
  """Returns the commands of a page: module and arguments.

  Letters that stand for numbers are replaced by some; "…" is left out.
  """
  text = page.read_text(encoding="utf-8")
  shown = [code for kind, code in _FENCED.findall(text) if kind in ("", "bash")]
  shown += _INDENTED.findall(prose(page))
  found = []
  for line in "\n".join(shown).replace("\\\n", " ").split("\n"):
    if not re.search(r"^[^\"#]*-m (experiments|scripts)\.\w", line):
      continue
    words = shlex.split(line.strip(), comments=True)
    at = words.index("-m") + 1
    arguments = []
    for word in words[at + 1 :]:
      if word in _ENDS:
        break
      if word != "…":
        number = re.fullmatch(r"[NI]|\$i", word)
        arguments.append({"N": "2"}.get(word, "1") if number else word)
    found.append((words[at], tuple(arguments)))
  return found
