"""Files of other programs, read with errors that name the file; atomic writes.

Every defect of a file that is read here raises an `InputError` with its path.
"""

import collections
from collections.abc import Iterable, Iterator, Sequence
import contextlib
import difflib
import fnmatch
import io
import os
import pathlib
import re
from typing import Any
import warnings

import numpy as np
from PIL import ExifTags
from PIL import Image

from perceiver import errors
from perceiver.checkpoints import atomic

IMAGE_SUFFIXES = (
  *(".bmp", ".gif", ".jpeg", ".jpg", ".png"),
  *(".ppm", ".tif", ".tiff", ".webp"),
)
# Not all that Pillow has: for some it starts other programs.
_IMAGE_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# What turns an image upright, by its EXIF orientation; 1 is upright.
_TURNS = {
  2: Image.Transpose.FLIP_LEFT_RIGHT,
  3: Image.Transpose.ROTATE_180,
  4: Image.Transpose.FLIP_TOP_BOTTOM,
  5: Image.Transpose.TRANSPOSE,
  6: Image.Transpose.ROTATE_270,
  7: Image.Transpose.TRANSVERSE,
  8: Image.Transpose.ROTATE_90,
}

# Hidden files and folders, backups of editors, and what file managers, file
# systems and archivers add.
_FOREIGN = re.compile(
  r"\..*|.*~|~\$.*|#.*#|__macosx|__pycache__|@eadir|lost\+found|thumbs\.db|"
  r"ehthumbs\.db|desktop\.ini|icon\r|\$recycle\.bin|system volume information",
  re.IGNORECASE,
)


class InputError(errors.PerceiverError, ValueError):
  """A file, folder or value from outside cannot be used."""


@contextlib.contextmanager
def writing(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """Yields a path of the same suffix that becomes `path` if all goes well."""
  try:
    with atomic.file(path) as temporary:
      yield temporary
  except errors.WriteError as error:
    raise InputError(str(error)) from error


@contextlib.contextmanager
def explaining(path: pathlib.Path) -> Iterator[None]:
  """Turns errors of writing into `InputError` with a path and the reason."""
  try:
    yield
  except OSError as error:
    reason = errors.reason(error)
    raise InputError(f"{path} cannot be written: {reason}") from error


def make_folder(path: pathlib.Path) -> None:
  """Makes a folder, if there is none, and checks that files can be added.

  Raises:
    InputError: if it cannot be made or written.
  """
  try:
    path.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    reason = errors.reason(error)
    raise InputError(f"{path} cannot be made: {reason}") from error
  if not os.access(path, os.W_OK):
    raise InputError(f"{path} cannot be written: it is read-only")


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a text file, whole or not at all."""
  write_bytes(path, text.encode("utf-8"))


def write_bytes(path: pathlib.Path, content: bytes) -> None:
  """Writes a file, whole or not at all."""
  with writing(path) as temporary:
    temporary.write_bytes(content)


def list_files(
  folder: pathlib.Path, *patterns: str, recursive: bool = False
) -> list[pathlib.Path]:
  """Returns the data files of a folder, sorted.

  Anything may appear in a folder: hidden files and folders, and those of file
  managers, editors and file systems, are left out.

  Args:
    folder: the folder, which exists.
    *patterns: of the files' names, in lower case, such as "*.png"; a file of
      any of them is listed, in whatever case its name is. All if none.
    recursive: whether folders within the folder count, and links to folders.
  """
  return [
    path
    for path in _entries(folder, recursive)
    if not path.is_dir() and _matches(path, patterns)
  ]


def list_folders(folder: pathlib.Path, *patterns: str) -> list[pathlib.Path]:
  """Returns the data folders in a folder, chosen as in `list_files`."""
  return [
    path
    for path in _entries(folder, recursive=False)
    if path.is_dir() and _matches(path, patterns)
  ]


def _entries(folder: pathlib.Path, recursive: bool) -> list[pathlib.Path]:
  """Lists a folder, and the folders below it, linked ones too, each once."""
  found: list[pathlib.Path] = []
  below, linked = [folder], list[pathlib.Path]()
  known = set[pathlib.Path]()
  while below or linked:
    inside = below.pop() if below else linked.pop(0)
    if (target := inside.resolve()) in known:
      continue
    known.add(target)
    for path in sorted(inside.glob("*")):
      if _FOREIGN.fullmatch(path.name):
        continue
      found.append(path)
      if recursive and path.is_dir():
        (linked if path.is_symlink() else below).append(path)
  return sorted(found)


def _matches(path: pathlib.Path, patterns: Sequence[str]) -> bool:
  name = path.name.lower()
  return not patterns or any(fnmatch.fnmatchcase(name, p) for p in patterns)


def similar(path: pathlib.Path) -> str:
  """Returns a sentence on the paths that may be meant by one that is not there.

  It begins with a space; it is empty if there are none.
  """
  names = [found.name for found in path.parent.glob("*")]
  meant = difflib.get_close_matches(path.name, names, n=3)
  paths = " or ".join(str(path.with_name(name)) for name in meant)
  return f" Did you mean {paths}?" if paths else ""


def read_bytes(path: pathlib.Path) -> bytes:
  """Reads a file.

  Raises:
    InputError: if it cannot be read.
  """
  try:
    return path.read_bytes()
  except OSError as error:
    raise InputError(
      f"{path} cannot be read: {errors.reason(error)}"
    ) from error


def read_image(path: pathlib.Path) -> np.ndarray:  # [H, W, 3] uint8
  """Reads an image of any format as RGB.

  Raises:
    InputError: if it cannot be read, or is not an image.
  """
  encoded = read_bytes(path)
  try:
    return np.asarray(decode_image(encoded))
  except ValueError as error:
    raise InputError(f"{path} is {error}") from error


def commonest(messages: Iterable[str]) -> str:
  """Returns the commonest reasons with their numbers: "3 × reason; 1 × …".

  Args:
    messages: each a name, a colon, and the reason.
  """
  reasons = (message.partition(": ")[2] or message for message in messages)
  counts = collections.Counter(reasons)
  most = [f"{count} × {reason}" for reason, count in counts.most_common(3)]
  return "; ".join(most + ["…"] * (len(counts) > len(most)))


def list_images(
  paths: Sequence[pathlib.Path], *, recursive: bool = False
) -> list[pathlib.Path]:
  """Replaces folders by the images in them, frame 9 before frame 10.

  Args:
    paths: files and folders.
    recursive: whether the folders in a folder count, too.

  Raises:
    FileNotFoundError: if a path does not exist.
    InputError: if no path was given, or a folder has no images.
  """
  if not paths:
    raise InputError("Name at least one image, or a folder of images.")
  found: list[pathlib.Path] = []
  for path in paths:
    if not path.exists():
      raise FileNotFoundError(f"There is no {path}.")
    if not path.is_dir():
      found.append(path)
      continue
    patterns = (f"*{suffix}" for suffix in IMAGE_SUFFIXES)
    inside = list_files(path, *patterns, recursive=recursive)
    if not inside:
      kinds = ", ".join(IMAGE_SUFFIXES)
      raise InputError(f"{path} has no images ({kinds}).")
    found += sorted(inside, key=_natural)
  return found


def _natural(path: pathlib.Path) -> list[Any]:
  """Returns a sort key in which numbers within a path count as numbers."""
  words = re.split(r"(\d+)", str(path))
  return [int(w) if i % 2 else w for i, w in enumerate(words)]


def decode_image(encoded: bytes, *, upright: bool = True) -> Image.Image:
  """Decodes an image to 8-bit RGB: BMP, GIF, JPEG, PNG, PPM, TIFF or WebP.

  CMYK and greyscale images and palettes are converted. Of an animation, the
  first image counts; of transparent pixels, the colour that they have. The name
  does not matter.

  Args:
    encoded: content of an image file.
    upright: whether the image is turned by its EXIF orientation, as cameras
      and telephones mean it and viewers do; TensorFlow does not.

  Returns:
    The decoded image, of mode RGB.

  Raises:
    ValueError: the bytes are no image, or the image is damaged or cut short.
  """
  try:
    image = Image.open(io.BytesIO(encoded), formats=_IMAGE_FORMATS)
    image.load()
  except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
    reason = str(e).partition(" <")[0]  # without an object's address
    raise ValueError(f"not a readable image: {reason}") from e
  if upright and (turn := _TURNS.get(_orientation(image))) is not None:
    image = image.transpose(turn)
  if image.mode == "RGB":
    return image
  if image.mode.startswith("I;16"):  # Pillow would clip it instead.
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert(
      "RGB"
    )
  if image.mode == "P":
    image = image.convert("RGBA")
  return image.convert("RGB")


def _orientation(image: Image.Image) -> int:
  """Returns the EXIF orientation, 1 to 8; upright, 1, if none can be read."""
  try:
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")  # about damaged EXIF
      found = image.getexif().get(ExifTags.Base.Orientation, 1)
  except Exception:  # Damaged EXIF can raise any error; the pixels are whole.
    return 1
  return found if isinstance(found, int) else 1
