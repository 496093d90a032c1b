"""Files of other programs: what is listed, and what is refused."""

from experiments.data import files
from tests.helpers import foreign


def test_foreign_files_and_folders_are_not_listed(tmp_path):
  root = tmp_path / ".hidden" / "data~"  # The folder that is named may be.
  names = ["b/2.PNG", "a.png", "b/c/1.png", "other.txt"]
  for name in names:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).touch()
  foreign.add(root)
  assert files.list_files(root) == [root / "a.png", root / "other.txt"]
  assert files.list_files(root, "*.png", recursive=True) == [
    root / "a.png",
    root / "b" / "2.PNG",
    root / "b" / "c" / "1.png",
  ]
  assert files.list_folders(root) == [root / "b"]
  assert files.list_folders(root, "c*") == []


def test_images_beside_foreign_files(tmp_path):
  for name in ("frame_10.png", "frame_9.JPG"):
    (tmp_path / name).touch()
  foreign.add(tmp_path)
  named = tmp_path / "._frame_10.png"  # Who names a file means it.
  found = files.list_images([tmp_path, named])
  assert [p.name for p in found] == [
    "frame_9.JPG",
    "frame_10.png",
    "._frame_10.png",
  ]
