import dataclasses

import numpy as np
from PIL import Image
import pytest

from experiments import prepare
from experiments.optical_flow.synthetic import generator
from experiments.optical_flow.synthetic import plot_samples

_GENERATOR = generator.GeneratorConfig(size=(16, 24))


def test_a_sheet_shows_frames_flow_and_occlusions():
  source = generator.Generator(_GENERATOR)
  pairs = [source[0], source[1]]
  sheet = plot_samples.sheet(pairs)
  assert sheet.shape == (2 * 16 + 4, 4 * 24 + 3 * 4, 3)
  assert sheet.dtype == np.uint8
  np.testing.assert_array_equal(sheet[:16, :24], pairs[0].frames[0])
  np.testing.assert_array_equal(sheet[20:, 28:52], pairs[1].frames[1])
  np.testing.assert_array_equal(sheet[:16, 84:, 0] > 0, pairs[0].occluded)
  assert np.all(sheet[16:20] == 255)
  assert np.all(sheet[:, 24:28] == 255)


def test_unknown_occlusions_are_left_out_and_unknown_flow_is_black():
  pair = generator.Generator(_GENERATOR)[0]
  valid = np.ones((16, 24), bool)
  valid[3:5] = False
  pair = dataclasses.replace(pair, valid=valid, occluded=None)
  sheet = plot_samples.sheet([pair])
  assert sheet.shape == (16, 3 * 24 + 2 * 4, 3)
  assert not sheet[3:5, 56:].any()
  assert sheet[5:, 56:].any(axis=-1).all()


def test_the_command_writes_a_sheet(tmp_path, capsys):
  path = tmp_path / "new" / "sheet.png"
  arguments = ["flow-samples", str(path), "--rows", "2", "--first", "3"]
  arguments += ["--generator.size", "16", "24", "--backward"]
  assert prepare.main(arguments) == 0
  assert "2 pairs" in capsys.readouterr().out
  source = generator.Generator(_GENERATOR)
  expected = plot_samples.sheet([source.backward(i) for i in (3, 4)])
  np.testing.assert_array_equal(np.asarray(Image.open(path)), expected)


def test_the_command_names_what_is_missing(tmp_path, capsys):
  arguments = ["flow-samples", str(tmp_path / "x.png")]
  arguments += ["--generator.textures.folder", str(tmp_path / "nowhere")]
  assert prepare.main(arguments) == 1
  assert "nowhere" in capsys.readouterr().err
  assert not (tmp_path / "x.png").exists()


def test_rows_that_do_not_exist_are_refused(tmp_path):
  few = dataclasses.replace(_GENERATOR, num_examples=3)
  with pytest.raises(ValueError, match="first is 2 and rows is 2"):
    plot_samples.PlotConfig(
      path=tmp_path / "x.png", first=2, rows=2, generator=few
    )
