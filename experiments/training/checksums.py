"""What is in a folder's files, written down to be compared later.

A disk that gives back other bytes than it was given does not say so, and a
model whose parameters have one wrong bit trains on. The list is written last:
a folder without one was left by a program that was killed, and is what it is.
"""

import hashlib
import json
import pathlib

from experiments.data import files

NAME = "digests.json"


def write(folder: pathlib.Path) -> None:
  """Writes down what is in every file of a folder.

  Raises:
    files.InputError: if it cannot be written.
  """
  text = json.dumps(_of_files(folder), indent=0, sort_keys=True)
  files.write_text(folder / NAME, text + "\n")


def problem(folder: pathlib.Path) -> str:
  """Returns what is wrong with a folder's files, nothing if all is well."""
  path = folder / NAME
  if not path.exists():
    return ""
  try:
    expected = json.loads(path.read_bytes())
    found = _of_files(folder)
  except (OSError, RecursionError, ValueError) as error:
    return f"it cannot be compared with {NAME}: {error}"
  if not isinstance(expected, dict):
    return f"{NAME} is not a list of digests"
  for name in sorted({*expected, *found}):
    if name not in found:
      return f"{name} is missing"
    if expected.get(name) != found[name]:
      return f"{name} is not as it was written"
  return ""


def _of_files(folder: pathlib.Path) -> dict[str, str]:
  paths = sorted(p for p in folder.rglob("*") if p.is_file())
  return {
    path.relative_to(folder).as_posix(): _of_file(path)
    for path in paths
    # A program killed while it wrote the list leaves one with a dot.
    if path.parent != folder or path.name.lstrip(".").split(".")[0] != "digests"
  }


def _of_file(path: pathlib.Path) -> str:
  with path.open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()
