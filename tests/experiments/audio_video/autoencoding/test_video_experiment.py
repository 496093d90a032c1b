"""Training, evaluation and report from the command line."""

import dataclasses
import importlib.util
import types

import numpy as np
from PIL import Image
import pytest

from experiments import evaluate
from experiments.audio_video.autoencoding import configs
from experiments.audio_video.autoencoding import plots
from experiments.audio_video.autoencoding import task
from experiments.audio_video.clips import video_files
from experiments.cli import registry
from experiments.training import config as training_config
import perceiver
from tests.helpers import commands

RECIPE = "tests.helpers.recipes.video"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """The folder of a finished run."""
  return commands.finished(tmp_path_factory, RECIPE)


def test_training_writes_metrics_and_figures(workdir):
  rows = commands.rows(workdir)
  last = rows[-1]
  assert (last["kind"], last["examples"], last["expected"]) == ("eval", 6, 6)
  assert {
    "loss",
    "video_psnr",
    "mean_video_psnr",
    "audio_psnr",
    "mean_audio_psnr",
    "top_1",
  } <= set(last)
  found = {path.name for path in (workdir / "figures").iterdir()}
  pictures = {"attention.png", "curve.png", "samples.gif", "samples.png"}
  pictures |= {"inputs.wav", "reconstructions.wav"}
  assert pictures <= found <= pictures | {"samples.mp4"}
  with Image.open(workdir / "figures" / "samples.gif") as animation:
    assert animation.n_frames == 8  # two of each of four clips
    assert animation.size == (320, 160)


def test_the_video_has_audio(workdir):
  if importlib.util.find_spec("av") is None:
    assert not (workdir / "figures" / "samples.mp4").exists()
    return
  path = workdir / "figures" / "samples.mp4"
  form = video_files.Format(frame_rate=1 / 0.12, channels=2, short_side=None)
  found = video_files.decode(path, form)
  assert len(found.frames) == 8
  assert found.frames[0].shape == (160, 320, 3)
  seconds = 8 * 0.12
  assert len(found.audio) == pytest.approx(48_000 * seconds, abs=2048)


def test_evaluation_writes_a_report(workdir, tmp_path, capsys):
  arguments = [RECIPE, "--checkpoint", str(workdir), "--report", str(tmp_path)]
  assert evaluate.main(arguments) == 0
  assert "6 of 6 examples of synthetic evaluation" in capsys.readouterr().out
  text = (tmp_path / "index.html").read_text()
  assert "<td>mean_video_psnr<" in text
  for name in ("curve.png", "samples.png", "attention.png", "samples.gif"):
    assert f'src="figures/{name}"' in text
    assert (tmp_path / "figures" / name).exists()
  assert '<audio src="figures/reconstructions.wav"' in text


def test_runs_are_compared(workdir, tmp_path, capsys):
  arguments = [str(workdir), str(workdir), "--output", str(tmp_path)]
  assert evaluate.main(["latents-table", *arguments]) == 0
  lines = capsys.readouterr().out.splitlines()
  assert lines[1].split()[0] == "6"
  # 2·16·16·3 colours and 128 samples for 6 latents of 24 channels.
  assert lines[1].split()[1] == "11.56"
  assert (lines[2], lines[3].split()[0]) == (lines[1], "mean")
  assert (tmp_path / "latents.png").exists()
  assert evaluate.main(["latents-table", str(tmp_path)]) == 1
  assert "is not the folder of a run" in capsys.readouterr().err


# --------------------------------------------------------------------- figures


def test_attention_is_split_by_modality():
  grids = {"audio": (3,), "image": (1, 2, 2), "label": None}
  modalities = [
    types.SimpleNamespace(
      name=name,
      input=types.SimpleNamespace(
        num_inputs=int(np.prod(grid or 1)), **({"grid": grid} if grid else {})
      ),
    )
    for name, grid in grids.items()
  ]
  config = types.SimpleNamespace(
    inputs=types.SimpleNamespace(ordered=modalities)
  )
  weights = np.arange(16.0).reshape(2, 8)
  parts = plots.attention_by_modality(
    types.SimpleNamespace(config=config), weights
  )
  np.testing.assert_array_equal(parts["audio"], [[0, 1, 2], [8, 9, 10]])
  np.testing.assert_array_equal(parts["image"][1], [[[11, 12], [13, 14]]])
  np.testing.assert_array_equal(parts["label"], [7, 15])


def test_narrow_latents_are_shown():
  image = np.array([[0.5, 0.5], [0.9, 0.0], [0.1, 0.1], [0.0, 0.8]])
  audio = np.array([[0.0], [0.1], [0.8], [0.2]])
  parts = {"image": image, "audio": audio}
  assert plots.choose(parts, 3) == [1, 3, 2]
  assert plots.choose(parts, 9) == [1, 3, 0, 2]


def test_frames_are_evenly_spaced():
  assert list(plots.subsample(np.arange(16))) == [0, 3, 6, 9, 12, 15]
  assert list(plots.subsample(np.arange(2))) == [0, 1]


# --------------------------------------------------------------------- recipes


def test_every_model_of_the_table_has_a_recipe():
  models = {experiment.model for experiment in configs.EXPERIMENTS.values()}
  names = [x for x in perceiver.list_models() if x.startswith("video_autoenc")]
  assert models == {perceiver.create(name).config for name in names}
  assert set(configs.RESULTS) == {*configs.EXPERIMENTS, "mini"}
  for choice in registry.choices("video_autoencoding"):
    registry.check(choice.experiment)


def test_the_published_recipe():
  experiment = configs.EXPERIMENTS["latents_784"]
  loss = experiment.loss
  assert (loss.video, loss.audio, loss.label) == (0.03, 1.0, 1e-4)
  assert (loss.image_points, loss.audio_points) == (512, 512)
  assert configs.EXPERIMENTS["label_weight_1"].loss.label == 1.0
  shape = task.clip_shape(experiment.model)
  assert (shape.num_frames, shape.size) == (16, (224, 224))
  assert (shape.num_samples, shape.samples_per_frame) == (30_720, 1920)
  rate, steps = training_config.learning_rate(experiment.train, 545_793)
  assert (steps, experiment.train.batch_size) == (53_300, 1024)
  np.testing.assert_allclose(rate(0), 1e-3)
  label = {x.name: x for x in experiment.model.inputs.modalities}["label"]
  assert (label.mask_rate, label.masked_in_evaluation) == (0.5, True)


def test_the_papers_numbers():
  audio, video, top_1 = configs.RESULTS["latents_392"].row()
  assert (video.metric, video.paper) == ("video_psnr", 24.27)
  assert (audio.metric, audio.paper) == ("audio_psnr", 25.33)
  assert (top_1.metric, top_1.paper) == ("top_1", 0.086)


def test_the_mini_recipe_is_the_same_code():
  assert type(configs.MINI) is type(configs.EXPERIMENTS["latents_784"])
  assert configs.MINI.data.source.is_synthetic


def test_more_points_than_there_are():
  loss = task.LossConfig(audio_points=33, image_points=None)
  with pytest.raises(ValueError, match="at most the 32 points"):
    dataclasses.replace(configs.MINI, loss=loss)
