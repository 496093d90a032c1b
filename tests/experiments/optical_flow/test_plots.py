"""Pictures of flow: what they are made of."""

import numpy as np
from PIL import Image

from experiments.data import loader
from experiments.optical_flow import data
from experiments.optical_flow import evaluator
from experiments.optical_flow import plots
from experiments.optical_flow import task as flow_task
from experiments.runs import plots as runs_plots
import perceiver
from tests.helpers import noise
from tests.helpers import tiny_flow


def test_the_true_flow_brings_the_second_frame_back():
  example = tiny_flow.Translations()[2]  # 2 to the right and 1 up
  back = plots.bring_back(example.frames[1], example.flow)
  np.testing.assert_array_equal(back[1:, :-2], example.frames[0][1:, :-2])


def test_half_a_pixel_is_half_of_both():
  frame = np.zeros((1, 3, 3), np.uint8)
  frame[0, 1], frame[0, 2] = 100, 200
  flow = np.broadcast_to(np.float32([0.5, 0.0]), (1, 3, 2))
  back = plots.bring_back(frame, flow)
  np.testing.assert_array_equal(back[0, :, 0], [50, 150, 200])


def test_the_scale_of_colours_is_in_pixels(tmp_path, monkeypatch):
  figures = []
  monkeypatch.setattr(runs_plots, "save", lambda x, *_: figures.append(x))
  example = tiny_flow.Translations()[2]  # 2 to the right and 1 up
  plots.samples([example], [2 * example.flow], tmp_path / "samples.png")
  labels = [axis.get_xlabel() for axis in figures[0].axes[2:5]]
  assert labels == ["up to 2.24 pixels", "", "mean 2.24"]
  assert figures[0].axes[4].get_title() == "error, pixels"
  runs_plots.pyplot().close(figures[0])


def test_pictures_of_frames_of_different_sizes(tmp_path, monkeypatch):
  """Frames larger and smaller than the model's, one of unknown flow."""
  examples = [
    tiny_flow.Translations(size=(20, 30))[0],
    tiny_flow.Translations(size=(10, 40))[1],
    tiny_flow.Translations()[2],
  ]
  examples[1].valid[:] = False
  split = loader.Split(examples, lambda example, generator: {}, "examples")
  monkeypatch.setattr(flow_task.OpticalFlow, "eval_split", lambda self: split)
  task = flow_task.OpticalFlow(
    model=perceiver.create(tiny_flow.model_config()),
    data=data.DataConfig(),
    evaluation=evaluator.EvaluationConfig(min_overlap=4),
    total_examples=0,
  )
  made = task.plots(noise.variables(task.model), tmp_path)
  names = [path.name for path in made]
  assert names == ["samples.png", "attention.png", "samples.gif"]
  with Image.open(tmp_path / "figures" / "samples.gif") as animation:
    assert animation.n_frames == 6
    # Four pictures of 20 × 30, eight times as large to be seen.
    assert animation.size == (8 * 4 * 30, 8 * 20)
