"""Learning curves come from the log; files are written whole."""

import ast
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest

from experiments.data import files
from experiments.runs import plots


def _write_log(workdir, rows):
  text = "".join(json.dumps(row) + "\n" for row in rows)
  (workdir / "metrics.jsonl").write_text(text)


@pytest.mark.parametrize(("chosen", "used"), [(None, "agg"), ("svg", "svg")])
def test_a_backend_that_was_chosen_stays(chosen, used):
  """Such as that of notebooks, which show their figures."""
  environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
  code = "import matplotlib; from experiments.runs import plots; "
  code += "plots.pyplot(); print(matplotlib.get_backend())"
  found = subprocess.run(
    [sys.executable, "-c", code],
    env=environment | ({"MPLBACKEND": chosen} if chosen else {}),
    check=True,
    capture_output=True,
    text=True,
  )
  assert found.stdout.strip().lower() == used


def test_without_a_log_there_is_no_curve(tmp_path):
  assert plots.learning_curve(tmp_path, [plots.Panel("loss")]) == []
  assert not list(tmp_path.iterdir())


def test_metrics_that_the_log_lacks_have_no_panel(tmp_path):
  """As in runs that ended before their first evaluation."""
  panels = [plots.Panel("loss"), plots.Panel("top_1")]
  _write_log(tmp_path, [{"step": 1, "kind": "start"}])
  assert plots.learning_curve(tmp_path, panels) == []
  _write_log(tmp_path, [{"step": 1, "kind": "train", "loss": 1.0}])
  (path,) = plots.learning_curve(tmp_path, panels)
  with Image.open(path) as image:
    assert image.size == (504, 384)


@pytest.mark.parametrize(
  ("count", "columns", "rows"), [(3, 3, 1), (4, 2, 2), (5, 3, 2)]
)
def test_many_panels_stand_in_two_rows(tmp_path, count, columns, rows):
  names = [f"metric_{i}" for i in range(count)]
  _write_log(tmp_path, [{"step": 1, "kind": "eval"} | dict.fromkeys(names, 1)])
  (path,) = plots.learning_curve(tmp_path, [plots.Panel(n) for n in names])
  with Image.open(path) as image:
    assert image.size == (columns * 504, rows * 384)


@pytest.mark.parametrize(("count", "marker"), [(1, "."), (2, "")])
def test_one_row_of_training_is_seen(tmp_path, monkeypatch, count, marker):
  steps = range(count)
  _write_log(
    tmp_path, [{"step": i, "kind": "train", "loss": 1.0} for i in steps]
  )
  figures = []
  monkeypatch.setattr(plots, "save", lambda figure, *_: figures.append(figure))
  plots.learning_curve(tmp_path, [plots.Panel("loss")])
  (line,) = figures[0].axes[0].lines
  assert line.get_marker() == marker
  plots.pyplot().close(figures[0])


def test_steps_are_whole_numbers(tmp_path, monkeypatch):
  rows = [{"step": i, "kind": "train", "loss": 1.0} for i in (5, 10, 15, 20)]
  _write_log(tmp_path, rows)
  figures = []
  monkeypatch.setattr(plots, "save", lambda figure, *_: figures.append(figure))
  plots.learning_curve(tmp_path, [plots.Panel("loss")])
  ticks = figures[0].axes[0].get_xticks()
  np.testing.assert_array_equal(ticks, np.round(ticks))
  plots.pyplot().close(figures[0])


def test_metrics_that_some_rows_lack_are_no_obstacle(tmp_path):
  rows = [
    {"step": 1, "kind": "train", "loss": 2.0},
    {"step": 2, "kind": "train", "loss": 1.0},
    {"step": 2, "kind": "eval", "loss": 1.5, "map": 0.5, "chance_map": 0.1},
  ]
  _write_log(tmp_path, rows)
  panels = [
    plots.Panel("loss"),
    plots.Panel("map", "precision", "chance_map", "chance", True),
  ]
  (path,) = plots.learning_curve(tmp_path, panels)
  assert path == tmp_path / "figures" / "curve.png"
  with Image.open(path) as image:
    assert image.size == (2 * 504, 384)


def test_every_kind_of_row_is_a_line(tmp_path, monkeypatch):
  rows = [
    {"step": step, "kind": kind, "epe": step / 2, "zero_epe": 3.0}
    for step in (1, 2)
    for kind in ("train", "eval")
  ]
  _write_log(tmp_path, rows)
  saved = []
  monkeypatch.setattr(plots, "save", lambda figure, *_: saved.append(figure))
  plots.learning_curve(
    tmp_path, [plots.Panel("epe", "error", "zero_epe", "zero flow", True)]
  )
  (axis,) = saved[0].axes
  lines = {line.get_label(): line for line in axis.get_lines()}
  assert list(lines) == ["train", "eval", "zero flow"]
  assert lines["eval"].get_ydata().tolist() == [0.5, 1.0]
  assert lines["zero flow"].get_linestyle() == ":"
  assert axis.get_ylim()[0] == 0
  plots.pyplot().close(saved[0])


def test_what_cannot_be_written_leaves_nothing(tmp_path):
  figure, _ = plots.pyplot().subplots()
  (tmp_path / "taken").write_text("a file")
  with pytest.raises(files.InputError, match="cannot be written"):
    plots.save(figure, tmp_path / "taken" / "x.png")
  plots.pyplot().close(figure)


def test_animations_repeat(tmp_path):
  frames = [Image.fromarray(np.full((4, 6, 3), x, np.uint8)) for x in (0, 255)]
  path = plots.save_animation(frames, tmp_path / "x.gif", 120)
  with Image.open(path) as image:
    assert (image.n_frames, image.info["loop"]) == (2, 0)
    assert image.info["duration"] == 120


def test_every_figure_of_an_experiment_has_a_caption():
  wings = pathlib.Path(plots.__file__).parents[1]
  calls = [
    (path.parent.name, node.lineno, len(node.args))
    for path in wings.rglob("plots.py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.Call)
    and ast.unparse(node.func) in ("plots.save", "plots.save_animation")
  ]
  assert len(calls) > 12
  for name, line, count in calls:
    assert count >= 3, f"{name}/plots.py:{line} has no caption"


def test_no_axis_has_a_unit_alone():
  """It is "time, s" or "frequency, kHz"."""
  wings = pathlib.Path(plots.__file__).parents[1]
  texts = [
    (path.parent.name, node.lineno, node.args[0].value)
    for path in wings.rglob("plots.py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.Call)
    and ast.unparse(node.func).endswith(("set_xlabel", "set_ylabel"))
    and isinstance(node.args[0], ast.Constant)
  ]
  assert len(texts) > 5
  units = {"s", "ms", "Hz", "kHz", "dB", "px", "pixels", "nats", "bits"}
  assert not [text for text in texts if text[-1] in units]


def test_a_unit_stands_above_its_panel(tmp_path, monkeypatch):
  _write_log(tmp_path, [{"step": 1, "kind": "eval", "epe": 1.0, "loss": 2.0}])
  saved = []
  monkeypatch.setattr(plots, "save", lambda figure, *_: saved.append(figure))
  plots.learning_curve(tmp_path, [plots.Panel("epe"), plots.Panel("loss")])
  assert [a.get_title() for a in saved[0].axes] == ["epe, pixels", "loss"]
  plots.pyplot().close(saved[0])


def test_attention_maps_share_a_scale():
  figure, axes = plots.pyplot().subplots(1, 2)
  plots.attention_map(axes[0], np.array([[0.0, 2.0], [4.0, 1.0]]))
  plots.attention_map(axes[1], np.array([[1.0, 2.0]]), 4.0)
  plots.attention_scale(figure, axes, of="latent")
  shown = [axis.images[0] for axis in axes]
  np.testing.assert_array_equal(shown[0].get_array(), [[0, 0.5], [1, 0.25]])
  np.testing.assert_array_equal(shown[1].get_array(), [[0.25, 0.5]])
  scale = figure.axes[-1]
  assert {x.get_clim() for x in shown} == {scale.get_ylim()} == {(0.0, 1.0)}
  assert {x.get_cmap().name for x in shown} == {"magma"}
  assert scale.get_ylabel() == "attention, share of the latent's most"
  plots.attention_map(axes[1], np.zeros((1, 2)))  # of a masked modality
  assert not axes[1].images[1].get_array().any()
  plots.pyplot().close(figure)
