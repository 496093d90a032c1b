"""Flow between images from the command line."""

import numpy as np
from PIL import Image
import pytest

from experiments import predict
from experiments.optical_flow.benchmarks import flow_files
from tests.helpers import tiny_models


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
  with Image.open(out / "frame_1_colours.png") as image:
    assert image.size == (40, 30)


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
    (["other.png"], 1, "other.png has 5 × 6 pixels; expected 30 × 40"),
    (["--output", "frame_0.png"], 2, "is not a folder"),
  ],
)
def test_impossible_arguments_are_refused(
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
