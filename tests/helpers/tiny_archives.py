"""Tiny archives of packages, and the sets of images in one."""

import gzip
import hashlib
import io
import pathlib
import tarfile

import numpy as np

from experiments.data import archives


def tar(contents: dict[str, bytes], compression: str = "xz") -> bytes:
  """Returns a compressed archive of files by name."""
  buffer = io.BytesIO()
  with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as opened:
    for name, content in contents.items():
      entry = tarfile.TarInfo(name)
      entry.size = len(content)
      opened.addfile(entry, io.BytesIO(content))
  return buffer.getvalue()


def deb(contents: dict[str, bytes]) -> bytes:
  """Returns a Debian package of files by name."""
  parts = {
    "debian-binary": b"2.0\n",
    "control.tar.xz": b"odd",
    "data.tar.xz": tar({f"./{name}": x for name, x in contents.items()}),
  }
  found = b"!<arch>\n"
  for name, content in parts.items():
    header = f"{name:16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n"
    found += header.encode() + content + b"\n" * (len(content) % 2)
  return found


def package(archive: bytes) -> archives.Package:
  """Returns a package whose archive is a given one."""
  return archives.Package(
    name="tiny",
    version="1.0",
    registry="Nowhere",
    download="get tiny",
    sha256=hashlib.sha256(archive).hexdigest(),
    licence="MIT",
  )


def idx(array: np.ndarray) -> bytes:
  """Returns a compressed IDX file."""
  shape = np.array(array.shape, ">i4").tobytes()
  head = b"\x00\x00\x08" + bytes([array.ndim]) + shape
  return gzip.compress(head + array.astype(np.uint8).tobytes(), mtime=0)


def fashion_mnist(train: int = 24, test: int = 12) -> dict[str, bytes]:
  """Returns the four files; of every image the label is the first pixel."""
  found = {}
  generator = np.random.default_rng(0)
  for prefix, count in (("train", train), ("t10k", test)):
    labels = np.arange(count) % 10
    pixels = generator.integers(0, 256, (count, 28, 28))
    pixels[:, 0, 0] = labels
    found[f"{prefix}-images-idx3-ubyte.gz"] = idx(pixels)
    found[f"{prefix}-labels-idx1-ubyte.gz"] = idx(labels)
  return found


def write(folder: pathlib.Path, contents: dict[str, bytes]) -> pathlib.Path:
  """Writes files by name, and returns their folder."""
  folder.mkdir(exist_ok=True)
  for name, content in contents.items():
    (folder / name).write_bytes(content)
  return folder
