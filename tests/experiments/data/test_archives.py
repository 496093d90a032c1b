"""Archives of packages."""

import io
import zipfile

import pytest

from experiments.data import files
from tests.helpers import tiny_archives

CONTENTS = {"usr/share/a.txt": b"one", "usr/b.txt": b"two", "usr/c.dat": b"3"}


def zipped(contents):
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, "w") as opened:
    for name, content in contents.items():
      opened.writestr(name, content)
  return buffer.getvalue()


@pytest.mark.parametrize(
  "make",
  [
    tiny_archives.deb,
    tiny_archives.tar,
    lambda contents: tiny_archives.tar(contents, "gz"),
    zipped,
  ],
)
def test_files_of_every_kind_of_archive(make, tmp_path):
  archive = tmp_path / "archive"
  archive.write_bytes(make(CONTENTS))
  package = tiny_archives.package(archive.read_bytes())
  found = dict(package.members(archive, "*.txt"))
  assert found == {k: v for k, v in CONTENTS.items() if k.endswith(".txt")}
  with pytest.raises(files.InputError, match=r"has no \*\.png"):
    list(package.members(archive, "*.txt", "*.png"))


def test_another_file_is_refused(tmp_path):
  archive = tmp_path / "archive"
  archive.write_bytes(tiny_archives.deb(CONTENTS))
  package = tiny_archives.package(b"another")
  with pytest.raises(files.InputError, match=r"tiny 1\.0 \(Nowhere\), as `get"):
    list(package.members(archive, "*"))
  with pytest.raises(files.InputError, match="cannot be read: No such file"):
    list(package.members(tmp_path / "none", "*"))


@pytest.mark.parametrize("size", [0, 30, 100])
@pytest.mark.parametrize("make", [tiny_archives.deb, tiny_archives.tar, zipped])
def test_damaged_archives_are_named(make, size, tmp_path):
  archive = tmp_path / "archive"
  content = make(CONTENTS)[:size]
  archive.write_bytes(content)
  with pytest.raises(files.InputError, match="archive cannot be read"):
    list(tiny_archives.package(content).members(archive, "*"))
