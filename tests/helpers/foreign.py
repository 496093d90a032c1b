"""Files of other programs, which may appear in any folder."""

import pathlib

NAMES = (
  ".DS_Store",
  ".nfs000000000012d687",
  "Thumbs.db",
  "desktop.ini",
  "notes.txt~",
  "#notes.txt#",
  "Icon\r",
)
FOLDERS = (".ipynb_checkpoints", "lost+found", "__MACOSX", "@eaDir")


def add(root: pathlib.Path) -> None:
  """Adds foreign files and folders to a folder and to all folders in it.

  Among them are copies of every file under the names that editors and file
  systems give them, and empty folders of the same names.
  """
  for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
    inside = list(folder.iterdir())
    for name in NAMES:
      (folder / name).write_bytes(b"\0\1foreign\xff")
    for name in FOLDERS:
      (folder / name).mkdir()
    for path in inside:
      if path.is_dir():
        (folder / FOLDERS[0] / path.name).mkdir()
        continue
      (folder / f"._{path.name}").write_bytes(b"\0\5\26\7foreign")
      for name in (f"{path.name}~", f"#{path.name}#", f".{path.name}.swp"):
        (folder / name).write_bytes(path.read_bytes())
      copy = folder / FOLDERS[0] / f"{path.stem}-checkpoint{path.suffix}"
      copy.write_bytes(path.read_bytes())
