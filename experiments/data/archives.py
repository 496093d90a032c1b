"""Archives of ordinary packages whose files are data sets.

A package is pinned: its archive is read if it has one version's checksum. None
is installed or downloaded here.
"""

from collections.abc import Iterator
import dataclasses
import fnmatch
import hashlib
import io
import lzma
import pathlib
import tarfile
import zipfile
import zlib

from experiments.data import files

_AR_MAGIC = b"!<arch>\n"  # of a .deb, see deb(5)
_AR_HEADER = 60  # bytes: the name in the first 16, the size in 10 from 48 on
_DAMAGED = (
  EOFError,
  OSError,
  ValueError,
  lzma.LZMAError,
  tarfile.TarError,
  zipfile.BadZipFile,
  zlib.error,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Package:
  """One version of a package.

  Attributes:
    name: of the package.
    version: the one that is read.
    registry: the distribution or index that has it.
    download: a command that brings the archive.
    sha256: the archive's checksum.
    licence: of the data in it.
  """

  name: str
  version: str
  registry: str
  download: str
  sha256: str
  licence: str

  def __str__(self) -> str:
    return f"{self.name} {self.version} ({self.registry})"

  def advice(self, command: str, train: str) -> str:
    """Returns a sentence with the commands that lead to a training run.

    Args:
      command: of `experiments.prepare`, and its arguments.
      train: of `experiments.train`, and its arguments.
    """
    return (
      f"The package {self} has the data: `{self.download}` brings its archive, "
      f"`python -m experiments.prepare {command}` prepares it, and `python -m "
      f"experiments.train {train}` is next."
    )

  def members(
    self, archive: pathlib.Path, *patterns: str
  ) -> Iterator[tuple[str, bytes]]:
    """Yields the files of the archive, in its order.

    Args:
      archive: the package's .deb, .tar.gz, .whl or .zip.
      *patterns: of the files' whole names in the archive, such as "*.gz"; a
        file of any of them is read.

    Raises:
      files.InputError: if it is another file than the pinned one, is damaged,
        or has no file of some pattern.
    """
    origin = f"{self}, as `{self.download}` brings it"
    content = read_checked(archive, "sha256", self.sha256, origin)
    missing = set(patterns)
    try:
      for name, member in _members(content, patterns):
        missing -= {p for p in missing if fnmatch.fnmatchcase(name, p)}
        yield name, member
    except _DAMAGED as error:
      raise files.InputError(f"{archive} cannot be read: {error}") from error
    if missing:
      raise files.InputError(
        f"{archive} has no {' and no '.join(sorted(missing))}"
      )


def read_checked(
  path: pathlib.Path, algorithm: str, expected: str, origin: str
) -> bytes:
  """Reads a file that has a known checksum.

  Args:
    path: the file.
    algorithm: of the checksum, "md5" or "sha256".
    expected: the checksum in hexadecimal digits.
    origin: the file with that checksum, for the error.

  Raises:
    files.InputError: if it cannot be read, or has another checksum.
  """
  content = files.read_bytes(path)
  found = hashlib.new(algorithm, content).hexdigest()
  if found != expected:
    raise files.InputError(
      f"{path} has the {algorithm.upper()} checksum {found}; expected "
      f"{expected}, that of {origin}."
    )
  return content


def _members(
  content: bytes, patterns: tuple[str, ...]
) -> Iterator[tuple[str, bytes]]:
  """Yields the files of an archive whose names match a pattern."""
  wanted = lambda name: any(fnmatch.fnmatchcase(name, p) for p in patterns)
  if zipfile.is_zipfile(io.BytesIO(content)):
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
      for name in filter(wanted, opened.namelist()):
        yield name, opened.read(name)
    return
  if content.startswith(_AR_MAGIC):
    content = _data_of_deb(content)
  with tarfile.open(fileobj=io.BytesIO(content)) as tar:
    for entry in tar:
      name = entry.name.removeprefix("./")
      if entry.isfile() and wanted(name):
        opened_file = tar.extractfile(entry)
        assert opened_file is not None  # It is a file.
        yield name, opened_file.read()


def _data_of_deb(content: bytes) -> bytes:
  """Returns the archive of a Debian package's files.

  Raises:
    ValueError: if there is none.
  """
  start = len(_AR_MAGIC)
  while start + _AR_HEADER <= len(content):
    header = content[start : start + _AR_HEADER]
    start += _AR_HEADER
    size = int(header[48:58])
    if start + size > len(content):
      raise ValueError("it is cut short")
    if header.startswith(b"data.tar"):
      return content[start : start + size]
    start += size + size % 2  # Members begin at even positions.
  raise ValueError("a .deb without data.tar")
