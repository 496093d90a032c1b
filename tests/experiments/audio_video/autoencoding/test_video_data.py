"""Clips of an autoencoder."""

import dataclasses

import numpy as np
import pytest

from experiments import prepare
from experiments.audio_video.autoencoding import data
from experiments.audio_video.clips import clips
from experiments.audio_video.clips import sampling
from experiments.audio_video.clips import sources
from experiments.audio_video.clips import synthetic
from experiments.data import files
from tests.helpers import tiny_clips

SHAPE = clips.ClipShape(
  num_frames=4, size=(16, 20), num_samples=64, channels=1, num_classes=5
)
CONFIG = data.DataConfig(
  synthetic=synthetic.SyntheticConfig(num_examples=7), num_eval=3
)


def first(split):
  return split.transform(split.source[0], np.random.default_rng(0))


def test_synthetic_clips_have_the_shape_of_the_model():
  train = data.train_split(CONFIG, SHAPE)
  evaluation = data.eval_split(CONFIG, SHAPE)
  assert (len(train.source), train.name) == (7, "synthetic train")
  assert (len(evaluation.source), evaluation.name) == (
    3,
    "synthetic evaluation",
  )
  for split in (train, evaluation):
    example = first(split)
    assert example["image"].shape == (4, 16, 20, 3)
    assert example["image"].dtype == np.uint8
    assert example["audio"].shape == (64, 1)
    assert example["audio"].dtype == np.float32
    assert example["label"].shape == ()
    assert 0 <= example["label"] < 5
  assert (first(train)["image"] != first(evaluation)["image"]).any()
  assert data.class_names(CONFIG, SHAPE)[4] == "magenta disc (4)"


def test_only_training_is_augmented():
  config = dataclasses.replace(
    CONFIG, augmentation=sampling.AugmentationConfig()
  )
  train, evaluation = (
    split(config, SHAPE) for split in (data.train_split, data.eval_split)
  )
  found = [
    [
      split.transform(split.source[0], np.random.default_rng(seed))["image"]
      for seed in (0, 1)
    ]
    for split in (train, evaluation)
  ]
  assert (found[0][0] != found[0][1]).any()
  np.testing.assert_array_equal(*found[1])


def test_evaluation_takes_the_central_segment():
  clip = tiny_clips.clip(num_frames=9, samples_per_frame=16)
  split = data.eval_split(CONFIG, dataclasses.replace(SHAPE, size=(4, 4)))
  example = split.transform(clip, np.random.default_rng(0))
  assert [frame[0, 0, 0] for frame in example["image"]] == [20, 30, 40, 50]
  np.testing.assert_allclose(
    example["audio"][:, 0], np.arange(32, 96) / 1000, rtol=1e-6
  )
  assert example["label"] == 2


def test_training_takes_any_segment():
  clip = tiny_clips.clip(num_frames=6, samples_per_frame=16)
  split = data.train_split(CONFIG, dataclasses.replace(SHAPE, size=(4, 4)))
  generator = np.random.default_rng(0)
  found = {
    int(split.transform(clip, generator)["image"][0, 0, 0, 0])
    for _ in range(30)
  }
  assert found == {0, 10, 20}


@pytest.mark.parametrize(
  ("clip", "message"),
  [
    (tiny_clips.clip(samples_per_frame=8), "32 samples in 4 frames"),
    (tiny_clips.clip(samples_per_frame=16, labels=()), "0 labels"),
    (tiny_clips.clip(samples_per_frame=16, labels=(0, 1)), "2 labels"),
  ],
)
def test_clips_that_do_not_fit(clip, message):
  split = data.eval_split(CONFIG, SHAPE)
  with pytest.raises(files.InputError, match=message):
    split.transform(clip, np.random.default_rng(0))


def test_a_prepared_data_set(tmp_path):
  lines = ["label,youtube_id,time_start,time_end,split"]
  for number in range(5):
    name = f"clip{number}"
    tiny_clips.write_video(
      tmp_path / "videos" / f"{name}_000000_000001.mp4", seconds=0.4
    )
    lines.append(f"class {number},{name},0,1,train")
  (tmp_path / "train.csv").write_text("\n".join(lines))
  output = tmp_path / "kinetics"
  arguments = ["clips", str(tmp_path / "videos"), str(output)]
  arguments += ["--workers", "0"]
  arguments += ["--train", str(tmp_path / "train.csv")]
  arguments += ["--storage.sample-rate", "400", "--storage.short-side", "20"]
  assert prepare.main(arguments) == 0
  config = data.DataConfig(
    source=sources.Source.parse(str(output)), eval_split="train"
  )
  split = data.eval_split(config, SHAPE)
  assert (len(split.source), split.name) == (
    5,
    "kinetics train, not the official one",
  )
  example = first(split)
  assert example["image"].shape == (4, 16, 20, 3)
  np.testing.assert_allclose(
    example["image"].mean(axis=(1, 2, 3)), [30, 40, 50, 60], atol=4
  )
  assert data.class_names(config, SHAPE)[3] == "class 3"
  other = dataclasses.replace(SHAPE, num_classes=6)
  with pytest.raises(files.InputError, match=r"5 classes.*model's 6"):
    data.eval_split(config, other)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"num_eval": 0}, "num_eval is 0"),
    (
      {"synthetic": synthetic.SyntheticConfig(events=(1, 2))},
      "every clip has one label",
    ),
  ],
)
def test_impossible_configurations(changes, message):
  with pytest.raises(ValueError, match=message):
    data.DataConfig(**changes)
