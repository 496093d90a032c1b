"""Flow between images, from the command line, and the files it leaves."""

import io
import struct
import zlib

import numpy as np
from PIL import Image
import pytest
import tiny_models

from experiments import files
from experiments import predict
from experiments.optical_flow import colours
from experiments.optical_flow import flow_files


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  return tiny_models.save(
    tmp_path_factory.mktemp("model"), tiny_models.flow_model()
  )


def frames(folder, count=2, size=(30, 40)):
  generator = np.random.default_rng(0)
  paths = []
  for i in range(count):
    pixels = generator.integers(0, 256, (*size, 3), np.uint8)
    paths.append(folder / f"frame_{i}.png")
    Image.fromarray(pixels).save(paths[-1])
  return paths


def read_png16(content):
  """An independent reader of unfiltered 16-bit PNGs."""
  assert content[:8] == b"\x89PNG\r\n\x1a\n"
  chunks, at = {}, 8
  while at < len(content):
    (length,) = struct.unpack(">I", content[at : at + 4])
    body = content[at + 4 : at + 8 + length]
    (check,) = struct.unpack(">I", content[at + 8 + length :][:4])
    assert check == zlib.crc32(body)
    chunks[body[:4]] = body[4:]
    at += 12 + length
  width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
  assert depth == 16
  channels = {0: 1, 2: 3}[colour]
  rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8)
  rows = rows.reshape(height, -1)
  assert not rows[:, 0].any()
  values = rows[:, 1:].copy().view(">u2")
  return values.reshape(height, width, channels).astype(np.uint16)


def random_flow(height=5, width=7):
  generator = np.random.default_rng(1)
  return generator.uniform(-30, 30, (height, width, 2)).astype(np.float32)


# ----------------------------------------------------------------------- files


def test_flo_comes_back(tmp_path):
  flow = random_flow()
  flow_files.write_flo(tmp_path / "a.flo", flow)
  np.testing.assert_array_equal(flow_files.read_flo(tmp_path / "a.flo"), flow)
  content = (tmp_path / "a.flo").read_bytes()
  assert struct.unpack("<fii", content[:12]) == (202021.25, 7, 5)
  # By rows, u before v.
  assert struct.unpack("<ff", content[12:20]) == tuple(flow[0, 0])
  assert struct.unpack("<ff", content[20:28]) == tuple(flow[0, 1])


@pytest.mark.parametrize("content", [b"", b"PIEH", b"x" * 40])
def test_what_is_no_flo_is_refused(tmp_path, content):
  (tmp_path / "a.flo").write_bytes(content)
  with pytest.raises(files.InputError, match=r"is not a \.flo file"):
    flow_files.read_flo(tmp_path / "a.flo")


def test_flo_cut_short_is_refused(tmp_path):
  flow_files.write_flo(tmp_path / "a.flo", random_flow())
  content = (tmp_path / "a.flo").read_bytes()
  (tmp_path / "a.flo").write_bytes(content[:-1])
  with pytest.raises(files.InputError, match="expected 292"):
    flow_files.read_flo(tmp_path / "a.flo")


def test_kitti_comes_back(tmp_path):
  flow = random_flow()
  flow[0, 0] = [0, 512]  # too far by 1/64
  flow[0, 1] = [-512, 511.98438]
  assert flow_files.write_kitti(tmp_path / "a.png", flow) == 1
  image = read_png16((tmp_path / "a.png").read_bytes())
  found, known = flow_files.from_kitti(image)
  assert list(np.argwhere(~known)[0]) == [0, 0]
  np.testing.assert_allclose(found[known], flow[known], atol=1 / 128)
  assert list(image[0, 0]) == [0, 0, 0]
  assert list(image[0, 1]) == [0, 65535, 1]
  # Pillow sees the upper eight bits.
  upper = np.asarray(Image.open(tmp_path / "a.png"))
  np.testing.assert_array_equal(upper, image >> 8)


def test_sixteen_bits_are_what_pillow_reads():
  grey = np.random.default_rng(2).integers(0, 2**16, (6, 9), np.uint16)
  content = flow_files.encode_png16(grey)
  found = Image.open(io.BytesIO(content))
  assert found.mode == "I;16"
  np.testing.assert_array_equal(np.asarray(found), grey)


# --------------------------------------------------------------------- colours


def test_the_wheel():
  wheel = colours.wheel()
  assert wheel.shape == (55, 3)
  corners = {0: "100", 15: "110", 21: "010", 25: "011", 36: "001", 49: "101"}
  for place, corner in corners.items():
    np.testing.assert_allclose(wheel[place], [int(c) for c in corner])
  np.testing.assert_allclose(wheel[5], [1, 1 / 3, 0])


def test_colours_of_directions():
  right, down, left, up = (9, 0), (0, 9), (-9, 0), (0, -9)
  flow = np.float32([[(0, 0), right, down, left, up, (np.nan, 0)]])
  (row,) = colours.colour(flow)
  assert list(row[0]) == [255, 255, 255]
  assert list(row[1]) == [255, 0, 0]  # red
  assert list(row[2]) == [255, 230, 0]  # yellow, all but a tenth
  assert list(row[3]) == [0, 209, 255]  # from cyan 2/11 of the way to blue
  assert list(row[4]) == [88, 0, 255]  # from blue 4.5/13 to magenta
  assert list(row[5]) == [0, 0, 0]
  half = colours.colour(flow / 2, 9)[0]
  assert list(half[1]) == [255, 128, 128]
  beyond = colours.colour(2 * flow, 9)[0]
  assert list(beyond[1]) == [191, 0, 0]


def test_no_motion_is_white():
  assert np.all(colours.colour(np.zeros((3, 4, 2), np.float32)) == 255)


# ----------------------------------------------------------------- the command


def test_a_pair(trained, tmp_path, capsys):
  model, variables, path = trained
  paths = frames(tmp_path, size=tiny_models.TILE)
  out = tmp_path / "out"
  arguments = ["flow", *map(str, paths), "--checkpoint", path]
  assert predict.main([*arguments, "--output", str(out)]) == 0
  names = ["frame_0.flo", "frame_0_colours.png", "frame_0_kitti.png"]
  assert sorted(p.name for p in out.iterdir()) == names
  pixels = np.stack([np.asarray(Image.open(p)) for p in paths])
  inputs = (pixels / 127.5 - 1).astype(np.float32)[None]
  expected = np.asarray(model.apply(variables, inputs))[0]
  found = flow_files.read_flo(out / "frame_0.flo")
  assert np.abs(expected).max() > 0.01
  np.testing.assert_allclose(found, expected, atol=1e-5)
  assert "frame_0: " in capsys.readouterr().out


@pytest.mark.parametrize("even", [False, True])
def test_a_folder_of_larger_frames(trained, tmp_path, even):
  folder, out = tmp_path / "in", tmp_path / "out"
  folder.mkdir()
  frames(folder, count=3, size=(30, 40))
  arguments = ["flow", str(folder), "--checkpoint", trained[2]]
  arguments += ["--output", str(out), "--colour-max", "4"]
  arguments += ["--even-tiles"] if even else []
  assert predict.main(arguments) == 0
  assert len(list(out.iterdir())) == 6
  assert flow_files.read_flo(out / "frame_1.flo").shape == (30, 40, 2)
  with Image.open(out / "frame_1_colours.png") as picture:
    assert picture.size == (40, 30)


def test_smaller_frames(trained, tmp_path):
  paths = frames(tmp_path, size=(10, 50))
  out = tmp_path / "out"
  arguments = ["flow", *map(str, paths), "--checkpoint", trained[2]]
  assert predict.main([*arguments, "--output", str(out)]) == 0
  assert flow_files.read_flo(out / "frame_0.flo").shape == (10, 50, 2)


@pytest.mark.parametrize(
  ("extra", "code", "message"),
  [
    (["--min-overlap", "24"], 2, "less than 24"),
    (["--colour-max", "0"], 2, "more than 0 pixels"),
    (["frame_0.png", "frame_1.png"], 2, "the same name"),
    (["other.png"], 1, "different sizes: 30 × 40 and 5 × 6"),
    (["--output", "frame_0.png"], 2, "is not a folder"),
  ],
)
def test_what_cannot_be(
  trained, tmp_path, monkeypatch, capsys, extra, code, message
):
  monkeypatch.chdir(tmp_path)
  frames(tmp_path)
  Image.new("RGB", (6, 5)).save("other.png")
  arguments = ["flow", "frame_0.png", *extra]
  if extra[0] not in ("frame_0.png", "other.png"):
    arguments.insert(2, "frame_1.png")
  assert predict.main([*arguments, "--checkpoint", trained[2]]) == code
  assert message in capsys.readouterr().err


def test_one_image_is_not_enough(trained, tmp_path, capsys):
  path = frames(tmp_path, count=1)[0]
  assert predict.main(["flow", str(path), "--checkpoint", trained[2]]) == 2
  assert "at least two images" in capsys.readouterr().err
