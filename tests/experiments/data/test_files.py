"""Files of other programs: what is listed, and what is refused."""

import io

import numpy as np
from PIL import EpsImagePlugin
from PIL import Image
from PIL import ImageOps
import pytest

from experiments.data import files
from tests.helpers import foreign
from tests.helpers import image_folders


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


def test_linked_folders_are_listed_once(tmp_path):
  root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
  for folder in (root / "inside", elsewhere / "deep"):
    folder.mkdir(parents=True)
    (folder / "1.png").touch()
  for name, target in (
    ("a_link", elsewhere),
    ("b_link", elsewhere),
    ("c_link", root / "inside"),
    ("loop", root / "loop"),
    ("file.png", elsewhere / "deep" / "1.png"),
  ):
    (root / name).symlink_to(target)
  (elsewhere / "back").symlink_to(root)
  assert files.list_files(root, "*.png", recursive=True) == [
    root / "a_link" / "deep" / "1.png",
    root / "file.png",
    root / "inside" / "1.png",
  ]


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


def test_images_in_folders_of_classes(tmp_path):
  for name in ("cat/10.png", "cat/9.png", "dog/deep/1.jpg", "top.png"):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
  assert files.list_images([tmp_path]) == [tmp_path / "top.png"]
  found = files.list_images([tmp_path], recursive=True)
  names = ("cat/9.png", "cat/10.png", "dog/deep/1.jpg", "top.png")
  assert found == [tmp_path / name for name in names]


_POSTSCRIPT = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 10 10
%%EndComments
showpage
"""


def test_no_image_starts_a_program(tmp_path, monkeypatch):
  started = []
  monkeypatch.setattr(
    EpsImagePlugin, "Ghostscript", lambda *args, **kwargs: started.append(args)
  )
  (tmp_path / "cat.png").write_bytes(_POSTSCRIPT)
  with pytest.raises(files.InputError, match=r"cat\.png is not a readable"):
    files.read_image(tmp_path / "cat.png")
  assert not started


@pytest.mark.parametrize("kind", ["ICO", "TGA", "PCX", "SGI", "PDF", "DDS"])
def test_formats_that_nobody_meant_are_refused(kind):
  stream = io.BytesIO()
  Image.new("RGB", (16, 16)).save(stream, kind)
  with pytest.raises(ValueError, match="not a readable image"):
    files.decode_image(stream.getvalue())


def _with_black_left(size=(20, 10)):
  image = Image.new("RGB", size, (255, 255, 255))
  image.paste((0, 0, 0), (0, 0, size[0] // 2, size[1]))
  return image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_images_of_cameras_are_turned_upright(kind):
  # Orientation 6: the first column of pixels is the top of what was seen.
  encoded = image_folders.encode(_with_black_left(), kind, orientation=6)
  turned = np.asarray(files.decode_image(encoded)).astype(int)
  assert turned.shape == (20, 10, 3)
  assert turned[:9].max() < 30 < 220 < turned[11:].min()
  stored = files.decode_image(encoded, upright=False)
  assert stored.size == (20, 10)


@pytest.mark.parametrize("orientation", range(10))  # 0 and 9 mean nothing
def test_all_orientations_agree_with_pillow(orientation):
  values = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
  encoded = image_folders.encode(Image.fromarray(values), "PNG", orientation)
  expected = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded)))
  found = files.decode_image(encoded)
  np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
  "damaged", [b"MM", b"garbage!", b"II*\0\xff", b"MM\0*"]
)
@pytest.mark.filterwarnings("error")
def test_damaged_exif_spoils_no_image(kind, damaged):
  stream = io.BytesIO()
  _with_black_left().save(stream, kind, exif=b"Exif\0\0" + damaged)
  assert files.decode_image(stream.getvalue()).size == (20, 10)
