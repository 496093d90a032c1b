"""Small folders of images, in the layout of `prepare images`."""

import io
import pathlib

from PIL import ExifTags
from PIL import Image

COUNTS = {"train": 9, "validation": 3}  # images per class
CLASSES = ("ant", "bee")


def encode(
  image: Image.Image, file_format: str = "JPEG", orientation: int | None = None
) -> bytes:
  """Returns the file of an image, perhaps with an EXIF orientation, 1 to 8."""
  buffer = io.BytesIO()
  exif = Image.Exif()
  if orientation is not None:
    exif[ExifTags.Base.Orientation] = orientation
  image.save(buffer, file_format, exif=exif)
  return buffer.getvalue()


def make(folder: pathlib.Path) -> pathlib.Path:
  """Makes images of level 60 or 180 by class, of different sizes."""
  for split, count in COUNTS.items():
    for label, name in enumerate(CLASSES):
      (folder / split / name).mkdir(parents=True)
      for i in range(count):
        image = Image.new("RGB", (50 + i, 40), (60 + 120 * label,) * 3)
        (folder / split / name / f"{i}.jpg").write_bytes(encode(image))
  return folder
