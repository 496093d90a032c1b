"""Pictures of an autoencoder's attention."""

import types

import numpy as np

from experiments.audio_video.autoencoding import plots
from experiments.runs import plots as runs_plots


class _Model:
  """Two latents, of which one looks at eight patches and one at four sounds."""

  config = types.SimpleNamespace(
    inputs=types.SimpleNamespace(
      ordered=[
        types.SimpleNamespace(
          name="image",
          input=types.SimpleNamespace(num_inputs=8, grid=(2, 2, 2)),
        ),
        types.SimpleNamespace(
          name="audio", input=types.SimpleNamespace(num_inputs=4, grid=(4,))
        ),
      ]
    )
  )

  def attention_map(self, variables, inputs):
    weights = np.zeros((1, 1, 2, 12))
    weights[0, 0, 0, 0] = 1.0
    weights[0, 0, 1, 8:] = (0.4, 0.1, 0.3, 0.2)
    return weights


def test_attention_to_audio_has_the_scale_of_that_to_frames(
  tmp_path, monkeypatch
):
  figures = []
  monkeypatch.setattr(runs_plots, "save", lambda x, *_: figures.append(x))
  example = {
    "image": np.zeros((2, 4, 4, 3), np.uint8),
    "audio": np.zeros((8, 1), np.float32),
    "seconds": np.arange(8) / 8,
  }
  plots.attention(_Model(), None, example, tmp_path / "attention.png")
  lines = {axis.get_title(): axis for axis in figures[0].axes if axis.lines}
  axis = lines["video 0%, audio 100%"]
  np.testing.assert_allclose(axis.lines[0].get_ydata(), [1.0, 0.25, 0.75, 0.5])
  assert axis.get_ylim() == (0, 1)
  assert axis.get_yticks().tolist() == [0, 1]
  runs_plots.pyplot().close(figures[0])
