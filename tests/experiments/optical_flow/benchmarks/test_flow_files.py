"""Files of flow: round trips, and refusals of damaged files."""

import struct
import zlib

import numpy as np
from PIL import Image
import png
import pytest

from experiments.data import files
from experiments.optical_flow.benchmarks import flow_files


def random_flow(height=5, width=7):
  generator = np.random.default_rng(1)
  return generator.uniform(-30, 30, (height, width, 2)).astype(np.float32)


def write_png(path, image, bits=16):
  """Writes a PNG [H, W, C] without filter, in one chunk of data."""
  height, width, channels = image.shape
  kind = {1: 0, 3: 2, 4: 6}[channels]
  dtype = {8: ">u1", 16: ">u2"}[bits]
  rows = image.astype(dtype).reshape(height, -1).view(np.uint8)
  rows = np.pad(rows, ((0, 0), (1, 0)))

  def chunk(name, content):
    check = zlib.crc32(name + content)
    return (
      struct.pack(">I", len(content))
      + name
      + content
      + (struct.pack(">I", check))
    )

  header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
  path.write_bytes(
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", header)
    + chunk(b"IDAT", zlib.compress(rows.tobytes()))
    + chunk(b"IEND", b"")
  )


def test_round_trip_of_flo(tmp_path):
  flow = random_flow()
  flow_files.write_flo(tmp_path / "a.flo", flow)
  np.testing.assert_array_equal(flow_files.read_flo(tmp_path / "a.flo"), flow)
  content = (tmp_path / "a.flo").read_bytes()
  assert struct.unpack("<fii", content[:12]) == (202021.25, 7, 5)
  # By rows, u before v.
  assert struct.unpack("<ff", content[12:20]) == tuple(flow[0, 0])
  assert struct.unpack("<ff", content[20:28]) == tuple(flow[0, 1])


@pytest.mark.parametrize(
  ("header", "kind"),
  [
    ("PF\n7 5\n-1.000000\n", "<f4"),
    ("PF\n7 5\n1.0\n", ">f4"),
    ("PF 7 5 -1\r\n", "<f4"),
  ],
)
def test_pfm_files_go_from_the_bottom_to_the_top(tmp_path, header, kind):
  flow = random_flow()
  stored = np.dstack([flow, np.ones((5, 7), np.float32)])[::-1].astype(kind)
  (tmp_path / "a.pfm").write_bytes(header.encode() + stored.tobytes())
  found, known = flow_files.read_flow(tmp_path / "a.pfm")
  np.testing.assert_array_equal(found, flow)
  assert known.all()
  assert found.dtype == np.float32


@pytest.mark.parametrize(
  ("content", "message"),
  [
    (b"", "is not a .pfm file of three"),
    (b"Pf\n1 1\n-1.0\n" + bytes(4), "is not a .pfm file of three"),
    (b"PF\n1 2\n-1.0\n" + bytes(12), "and 24 bytes; expected 36"),
    (b"PF\n0 2\n-1.0\n", "header of 0 × 2 pixels"),
    (b"PF\n1 1\n-1\n" + b"\xff" * 12, "flow of 1 pixels is not finite"),
  ],
)
def test_other_files_than_pfm_are_refused(tmp_path, content, message):
  (tmp_path / "a.PFM").write_bytes(content)
  with pytest.raises(files.InputError, match=rf"a\.PFM.*{message}"):
    flow_files.read_flow(tmp_path / "a.PFM")


@pytest.mark.parametrize("content", [b"", b"PIEH", b"x" * 40])
def test_other_files_than_flo_are_refused(tmp_path, content):
  (tmp_path / "a.flo").write_bytes(content)
  with pytest.raises(files.InputError, match=r"a\.flo is not a \.flo file"):
    flow_files.read_flo(tmp_path / "a.flo")


def test_truncated_flo_is_refused(tmp_path):
  flow_files.write_flo(tmp_path / "a.flo", random_flow())
  content = (tmp_path / "a.flo").read_bytes()
  (tmp_path / "a.flo").write_bytes(content[:-1])
  with pytest.raises(files.InputError, match="expected 292"):
    flow_files.read_flo(tmp_path / "a.flo")


def test_flo_of_negative_size_is_refused(tmp_path):
  (tmp_path / "a.flo").write_bytes(
    b"PIEH" + struct.pack("<ii", -1, -5) + b"x" * 40
  )
  with pytest.raises(files.InputError, match="a header of -1 × -5 pixels"):
    flow_files.read_flo(tmp_path / "a.flo")


def test_round_trip_of_kitti(tmp_path):
  flow = random_flow()
  flow[0, 0] = [0, 512]  # too far by 1/64
  flow[0, 1] = [-512, 511.98438]
  assert flow_files.write_kitti(tmp_path / "a.png", flow) == 1
  found, known = flow_files.read_kitti(tmp_path / "a.png")
  assert found.dtype == np.float32
  assert found.shape == (5, 7, 2)
  assert np.argwhere(~known).tolist() == [[0, 0]]
  assert found[0, 0].tolist() == [0, 0]
  np.testing.assert_allclose(found[known], flow[known], atol=1 / 128)


def test_kitti_files_are_pngs_of_sixteen_bits(tmp_path):
  flow = np.float32([[(0, 0), (1, -2), (-512, 511.98438), (0, 512)]])
  flow_files.write_kitti(tmp_path / "a.png", flow)
  width, height, rows, info = png.Reader(
    bytes=(tmp_path / "a.png").read_bytes()
  ).read()
  assert (width, height, info["planes"], info["bitdepth"]) == (4, 1, 3, 16)
  (row,) = (list(row) for row in rows)
  assert row == [
    *(32768, 32768, 1),
    *(32832, 32640, 1),
    *(0, 65535, 1),
    *(0, 0, 0),
  ]
  # Pillow reads the upper eight bits.
  upper = np.asarray(Image.open(tmp_path / "a.png"))
  assert upper[0, 1].tolist() == [128, 127, 0]


def test_kitti_values(tmp_path):
  """Literal values of the format."""
  image = [[(32768, 32768, 1), (32832, 32640, 7), (40000, 1, 0)]]
  write_png(tmp_path / "a.png", np.uint16(image))
  flow, known = flow_files.read_kitti(tmp_path / "a.png")
  assert flow.tolist() == [[[0, 0], [1, -2], [0, 0]]]
  assert known.tolist() == [[True, True, False]]


@pytest.mark.parametrize(
  ("channels", "bits", "message"),
  [
    (3, 8, "of 8 bits and 3 channels; KITTI's flow has 16 bits"),
    (1, 16, "of 16 bits and 1 channels"),
    (4, 16, "of 16 bits and 4 channels"),
  ],
)
def test_other_pngs_are_refused(tmp_path, channels, bits, message):
  image = np.ones((2, 3, channels), np.uint16)
  write_png(tmp_path / "a.png", image, bits)
  with pytest.raises(files.InputError, match=message):
    flow_files.read_kitti(tmp_path / "a.png")


def test_every_damage_of_a_png_is_named(tmp_path):
  path = tmp_path / "a.png"
  flow_files.write_kitti(path, random_flow())
  content = path.read_bytes()
  for length in range(len(content) - 12):
    path.write_bytes(content[:length])
    with pytest.raises(files.InputError, match=r"a\.png is not a readable"):
      flow_files.read_kitti(path)
  for position in range(8, len(content), 3):
    changed = bytearray(content)
    changed[position] ^= 0x55
    path.write_bytes(bytes(changed))
    with pytest.raises(files.InputError, match=r"a\.png"):
      flow_files.read_kitti(path)


def test_a_png_with_fewer_rows_than_its_header_is_refused(tmp_path):
  image = np.ones((4, 3, 3), np.uint16)
  write_png(tmp_path / "a.png", image)
  content = bytearray((tmp_path / "a.png").read_bytes())
  content[23] = 5  # the height
  content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
  (tmp_path / "a.png").write_bytes(bytes(content))
  with pytest.raises(files.InputError, match="is not a readable PNG"):
    flow_files.read_kitti(tmp_path / "a.png")


def test_a_missing_file_is_named(tmp_path):
  for name in ("a.png", "a.flo"):
    with pytest.raises(files.InputError, match=f"{name} cannot be read"):
      flow_files.read_flow(tmp_path / name)


def test_the_suffix_is_the_format(tmp_path):
  flow = np.float32([[(1, -2), (3, 4)]])
  flow_files.write_flo(tmp_path / "a.flo", flow)
  flow_files.write_kitti(tmp_path / "a.png", flow)
  for name in ("a.flo", "a.png"):
    found, known = flow_files.read_flow(tmp_path / name)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, flow)
    assert known.tolist() == [[True, True]]


def test_flow_of_more_than_a_billion_pixels_is_unknown(tmp_path):
  flow = np.float32([[(1, 2), (1666666752, 1666666752), (3, -2e9), (0, 1e9)]])
  flow_files.write_flo(tmp_path / "a.flo", flow)
  found, known = flow_files.read_flow(tmp_path / "a.flo")
  assert known.tolist() == [[True, False, False, True]]
  assert found.tolist() == [[[1, 2], [0, 0], [0, 0], [0, 1e9]]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_flow_that_is_not_finite_is_refused(tmp_path, value):
  flow = np.zeros((2, 3, 2), np.float32)
  flow[0, 1] = value
  flow[1, 2, 1] = value
  flow_files.write_flo(tmp_path / "a.flo", flow)
  with pytest.raises(files.InputError, match=r"a\.flo: the flow of 2 pixels"):
    flow_files.read_flow(tmp_path / "a.flo")
