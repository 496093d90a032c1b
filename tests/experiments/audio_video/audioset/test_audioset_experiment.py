"""Training, evaluation and report from the command line."""

import dataclasses
import json
import shutil

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import evaluate
from experiments import predict
from experiments import train
from experiments.audio_video.audioset import configs
from experiments.audio_video.audioset import data
from experiments.audio_video.audioset import evaluator
from experiments.audio_video.audioset import package_recipes
from experiments.audio_video.audioset import plots
from experiments.audio_video.audioset import spectrogram
from experiments.audio_video.clips import decoding
from experiments.audio_video.clips import prepare
from experiments.audio_video.clips import sources
from experiments.cli import registry
from experiments.runs import plots as runs_plots
from experiments.training import config
import perceiver
from tests.helpers import commands
from tests.helpers import tiny_audioset as tiny
from tests.helpers import tiny_clips
from tests.helpers.recipes import audioset as recipe

RECIPE = "tests.helpers.recipes.audioset"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """The folder of a finished run."""
  return commands.finished(tmp_path_factory, RECIPE)


def test_training_writes_metrics_and_figures(workdir):
  rows = commands.rows(workdir)
  assert {row["step"] for row in rows if row["kind"] == "eval"} == {6, 12}
  last = rows[-1]
  assert (last["examples"], last["expected"]) == (6, 6)
  metrics = {"map", "chance_map", "loss", "hit", "classes", "silent"}
  assert metrics <= set(last)
  figures = sorted(path.name for path in (workdir / "figures").iterdir())
  audio = [name for name in figures if name.endswith(".wav")]
  pictures = ["attention.png", "classes.png", "curve.png"]
  assert sorted(set(figures) - set(audio)) == pictures
  clips = recipe.MINI.task().eval_split().source
  expected = [f"clip_{i}.wav" for i in range(6) if clips[i].has_audio][:4]
  assert expected[0] == "clip_0.wav"
  assert audio == expected


def test_a_resumed_run_equals_an_uninterrupted_one(workdir, tmp_path):
  again = tmp_path / "again"
  shutil.copytree(workdir, again)
  (last,) = (p for p in (again / "checkpoints").iterdir() if p.name == "12")
  shutil.rmtree(last)
  assert train.main([RECIPE, "--mini", "--workdir", str(again)]) == 0
  models = [d / "model.safetensors" for d in (workdir, again)]
  one, other = (perceiver.load(path)[1].params for path in models)
  chex.assert_trees_all_equal(one, other)


def test_evaluation_writes_a_report(workdir, tmp_path, capsys):
  page = tmp_path / "report"
  arguments = (RECIPE, "--checkpoint", workdir, "--report", page)
  out = commands.command(capsys, evaluate.main, *arguments)
  assert "6 of 6 examples of synthetic evaluation" in out
  assert "average precision" in out
  assert f"map {commands.rows(workdir)[-1]['map']:.4f}" in out
  text = (page / "index.html").read_text()
  assert "<td>chance_map<" in text
  for name in ("curve.png", "classes.png", "attention.png"):
    assert f'src="figures/{name}"' in text
    assert (page / "figures" / name).exists()
  assert '<audio src="figures/clip_0.wav"' in text


def test_a_model_of_both_modalities_is_evaluated_on_one(workdir, capsys):
  arguments = (RECIPE, "--checkpoint", workdir, "--data.modalities")
  video = commands.command(capsys, evaluate.main, *arguments, "video")
  audio = commands.command(capsys, evaluate.main, *arguments, "audio")
  assert "silent 6.0000" in video
  assert "silent 0.0000" in audio


def test_files_of_video_and_of_audio_are_classified(workdir, tmp_path, capsys):
  tiny_clips.write_video(tmp_path / "a.mp4", seconds=0.4)
  tiny_clips.write_audio(tmp_path / "b.flac", 0.2 * np.ones(900), tiny.RATE)
  output = tmp_path / "found.json"
  arguments = ("classify-clips", tmp_path / "a.mp4", tmp_path / "b.flac")
  options = ("--checkpoint", workdir, "--top", 2, "--output", output)
  out = commands.command(capsys, predict.main, *arguments, *options)
  names = recipe.MINI.task().class_names()
  rows = [json.loads(line) for line in output.read_text().splitlines()]
  assert [len(row["predictions"]) for row in rows] == [2, 2]
  for guess in rows[0]["predictions"]:
    assert guess["name"] == names[guess["class"]]
    assert guess["name"] in out
    assert 0 < guess["probability"] < 1
  assert rows[0]["predictions"] != rows[1]["predictions"]
  model = workdir / "model.safetensors"
  error = commands.command(
    capsys, predict.main, *arguments, "--checkpoint", model, code=2
  )
  assert "give the folder of its run" in error


def test_a_missing_data_set_is_one_paragraph(workdir, tmp_path, capsys):
  arguments = (RECIPE, "--checkpoint", workdir, "--data.source", tmp_path)
  error = commands.command(capsys, evaluate.main, *arguments, code=1)
  assert "experiments.prepare clips" in error
  assert "Traceback" not in error


# --------------------------------------------------------------- prepared clips


def write_audioset(folder):
  """Writes videos and lists of four clips, the last of which is missing."""
  for name, audio in {"one": True, "two": True, "three": False}.items():
    tiny_clips.write_video(folder / "videos" / f"{name}.mp4", audio=audio)
  (folder / "classes.csv").write_text(
    "index,mid,display_name\n"
    + "".join(f'{i},/m/{i},"class, {i}"\n' for i in range(tiny.CLASSES))
  )
  (folder / "list.csv").write_text(
    "# YTID, start_seconds, end_seconds, positive_labels\n"
    'one, 0.0, 0.4, "/m/0,/m/3"\n'
    'two, 0.0, 0.4, "/m/1"\n'
    'three, 0.0, 0.4, "/m/3"\n'
    'four, 0.0, 0.4, "/m/2"\n'
  )
  return prepare.PrepareConfig(
    videos=folder / "videos",
    output=folder / "prepared",
    train=(folder / "list.csv",),
    validation=(folder / "list.csv",),
    classes=folder / "classes.csv",
    storage=decoding.StorageConfig(sample_rate=tiny.RATE, short_side=12),
    workers=0,
  )


def test_training_and_evaluation_on_prepared_clips(workdir, tmp_path, capsys):
  prepare.prepare(write_audioset(tmp_path))
  where = ("--data.source", tmp_path / "prepared")
  arguments = (RECIPE, "--checkpoint", workdir, *where)
  error = commands.command(capsys, evaluate.main, *arguments, code=1)
  assert "has 3 of the 4 clips" in error
  arguments += ("--data.allow-partial",)
  out = commands.command(capsys, evaluate.main, *arguments)
  counts = "3 of 3 examples of audioset validation, not the official one"
  assert f"{counts}\n" in out
  assert "silent 1.0000" in out
  assert "classes 3.0000" in out
  assert "class, 3" in out
  assert "1 are in no clip and not evaluated" in out
  assert "3 of 4 clips of no official list, 1 missing" in out
  arguments = (RECIPE, "--mini", "--workdir", tmp_path / "run", *where)
  arguments += ("--data.allow-partial", "--train.steps", 3)
  out = commands.command(capsys, train.main, *arguments)
  assert counts in out


# ------------------------------------------------------------------------ task


def test_losses_are_per_clip():
  task = recipe.MINI.task()
  variables = task.model.init(jax.random.key(0))
  split = task.train_split()
  examples = [
    split.transform(split.source[i], np.random.default_rng(i)) for i in range(4)
  ]
  batch = {name: np.stack([e[name] for e in examples]) for name in examples[0]}
  found = task.losses(variables, batch, rng=None, is_training=False)
  inputs, present = evaluator.to_model(batch)
  logits = task.model.apply(variables, inputs, mask=present)
  np.testing.assert_allclose(
    found.loss, evaluator.cross_entropy(logits, batch["labels"])
  )
  likeliest = np.argmax(logits, axis=-1)
  np.testing.assert_array_equal(
    found.metrics["hit"], batch["labels"][range(4), likeliest]
  )
  assert jnp.isfinite(found.loss).all()


@pytest.mark.parametrize("modalities", [(tiny.VIDEO,), (tiny.RAW,)])
def test_models_of_one_modality_are_evaluated_and_plotted(modalities, tmp_path):
  experiment = dataclasses.replace(
    recipe.MINI,
    model=tiny.model_config(*modalities),
    data=tiny.data_config(num_eval=3, num_segments=2),
  )
  task = experiment.task()
  variables = task.model.init(jax.random.key(0))
  found = task.make_evaluator()(variables)
  assert (found.examples, found.expected) == (3, 3)
  figures = task.plots(variables, tmp_path)
  clips = task.eval_split().source
  audio = [f"clip_{i}.wav" for i in range(3) if clips[i].has_audio]
  assert audio
  names = [path.name for path in figures]
  assert names == ["classes.png", "attention.png", *audio]


def test_spectrograms_are_shown_in_seconds_kilohertz_and_decibels(
  tmp_path, monkeypatch
):
  task = recipe.MINI.task()
  variables = task.model.init(jax.random.key(0))
  figures = []
  monkeypatch.setattr(runs_plots, "save", lambda x, *_: figures.append(x))
  split = task.eval_split()
  plots.attention(task.model, variables, split, task.class_names(), tmp_path)
  axes = figures[0].axes
  (image,) = axes[0].images
  levels = split.transform(split.source[0], np.random.default_rng(0))["audio"]
  decibels = 50 * (levels[0].T - 1)  # -100 for silence, 0 for a full-scale tone
  np.testing.assert_allclose(image.get_array(), decibels, rtol=1e-5)
  assert image.get_clim() == (-100, 0)
  assert axes[0].get_xlim() == (0, 5 * tiny.HOP / tiny.RATE)
  assert (axes[0].get_xlabel(), axes[0].get_ylabel()) == (
    "time, s",
    "frequency, kHz",
  )
  labels = [float(label.get_text()) for label in axes[0].get_yticklabels()]
  assert labels == [0.1, 0.5]
  corners = spectrogram.corners(tiny.SPECTROGRAM)
  band = (corners[2] + corners[3]) / 2  # between the second band and the third
  assert np.interp(band, axes[0].get_ylim(), (0, tiny.BANDS)) == 2
  np.testing.assert_allclose(
    axes[0].get_yticks(), spectrogram.to_mel(1000 * np.array(labels))
  )
  scales = {axis.get_xlabel() for axis in axes[len(axes) - 3 :]}
  assert scales == {"level, dB", "attention, share of the map's most"}
  runs_plots.pyplot().close(figures[0])


# --------------------------------------------------------------------- recipes


PUBLISHED = {
  name: experiment
  for name, experiment in configs.EXPERIMENTS.items()
  if name not in package_recipes.RECIPES
}


def test_every_model_has_a_recipe():
  models = {experiment.model for experiment in PUBLISHED.values()}
  names = [n for n in perceiver.list_models() if "audioset" in n]
  assert len(names) == 10
  assert models == {perceiver.create(name).config for name in names}
  assert set(PUBLISHED) - set(configs.RESULTS) == {"perceiver_fine"}


def test_the_papers_numbers():
  """2103.03206 table 3, as corrected, and 2107.14795 table 10."""
  papers = {name: r.paper for name, r in configs.RESULTS.items()}
  assert papers["perceiver_raw_alone"] == 0.383
  assert papers["perceiver_mel_alone"] == 0.384
  assert papers["perceiver_video_alone"] == 0.258
  assert papers["perceiver_raw"] == 0.435
  assert papers["perceiver_mel"] == 0.432
  assert papers["perceiver_mel_tuned"] == 0.442
  assert papers["mel"] == 0.449
  assert all(r.metric == "map" for r in configs.RESULTS.values())


def test_the_published_recipes():
  for name, experiment in PUBLISHED.items():
    rate, steps = config.learning_rate(experiment.train, 1_700_000)
    assert steps == int(100 * 1_700_000 / 1024)
    both = len(experiment.model.inputs.modalities) == 2
    assert experiment.data.drop_video == (0.3 if both else 0), name
    assert experiment.data.num_segments == 16
    del rate
  tuned = configs.EXPERIMENTS["perceiver_mel_tuned"].data
  assert (tuned.spec_augment, tuned.drop_audio) == (None, 0.1)
  default = configs.EXPERIMENTS["perceiver_mel"].data
  assert default.spec_augment is not None
  assert default.drop_audio == 0


def test_examples_have_the_published_shapes():
  """1.28 s: 32 frames, 61,440 samples, 4,800 values of a spectrogram."""
  for name, shape in {"mel": (60, 80), "raw": (61_440, 1)}.items():
    experiment = configs.EXPERIMENTS[name]
    synthetic = dataclasses.replace(
      experiment.data.synthetic, num_frames=34, size=(8, 8), num_examples=1
    )
    changed = dataclasses.replace(
      experiment.data, source=sources.SYNTHETIC, synthetic=synthetic
    )
    split = dataclasses.replace(experiment, data=changed).task().train_split()
    example = split.transform(split.source[0], np.random.default_rng(0))
    assert example["audio"].shape == shape
    assert example["video"].shape == (32, 224, 224, 3)
    assert example["labels"].shape == (527,)


def test_the_mini_recipe_is_the_same_code():
  (*_, mini) = registry.choices("audioset")
  assert mini.recipe == "mini"
  assert type(configs.MINI) is type(configs.EXPERIMENTS["mel"])
  synthetic = configs.MINI.data.synthetic
  assert (synthetic.audio_only, synthetic.video_only) == (4, 4)
  assert configs.MINI.data.modalities is data.Modalities.ALL
