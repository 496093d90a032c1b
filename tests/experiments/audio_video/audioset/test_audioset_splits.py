"""Examples and splits of the AudioSet experiment."""

import dataclasses

import numpy as np
import pytest

from experiments.audio_video.audioset import data
from experiments.audio_video.audioset import examples
from experiments.audio_video.audioset import masking
from experiments.audio_video.audioset import spectrogram
from experiments.audio_video.audioset import task as audioset_task
from experiments.audio_video.clips import sampling
from experiments.data import files
from experiments.training import sharding
import perceiver
from tests.helpers import tiny_audioset as tiny


def model_inputs(config, *modalities):
  model = tiny.model_config(*modalities)
  return data.model_inputs(model.inputs, tiny.CLASSES, config)


def train_example(clip, seed=0, inputs=(), **changes):
  config = tiny.data_config(augmentation=sampling.NO_AUGMENTATION, **changes)
  transform = examples.TrainTransform(config, model_inputs(config, *inputs))
  return transform(clip, np.random.default_rng(seed))


def eval_example(clip, inputs=(), **changes):
  config = tiny.data_config(**changes)
  transform = examples.EvalTransform(config, model_inputs(config, *inputs))
  return transform(clip, np.random.default_rng(0))


def test_video_and_audio_are_of_the_same_segment():
  clip = tiny.clip()
  starts = set()
  for seed in range(20):
    example = train_example(clip, seed, (tiny.VIDEO, tiny.RAW))
    brightness = example["video"][:, 0, 0, 0]
    start = brightness[0] // 10
    np.testing.assert_array_equal(brightness, 10 * (start + np.arange(4)))
    expected = np.repeat((start + np.arange(4)) / 10, 80)[:, None]
    np.testing.assert_allclose(example["audio"], expected, rtol=1e-6)
    starts.add(int(start))
  assert starts == {0, 1, 2}


def test_examples_have_labels_and_types():
  example = train_example(tiny.clip())
  np.testing.assert_array_equal(example["labels"], np.float32([0, 1, 0, 1]))
  shapes = {name: (x.shape, x.dtype.name) for name, x in example.items()}
  assert shapes == {
    "video": ((4, 8, 8, 3), "uint8"),
    "audio": ((5, 6), "float32"),
    "has_video": ((), "bool"),
    "has_audio": ((), "bool"),
    "labels": ((4,), "float32"),
  }


def test_segments_are_evenly_spaced_in_evaluation():
  example = eval_example(tiny.clip(num_frames=8), num_segments=5)
  assert example["video"].shape == (5, 4, 8, 8, 3)
  assert example["audio"].shape == (5, 5, 6)
  np.testing.assert_array_equal(
    example["video"][:, 0, 0, 0, 0], [0, 10, 20, 30, 40]
  )


def test_spectrograms_are_those_of_the_segment():
  clip = tiny.clip()
  found = eval_example(clip, num_segments=3)["audio"]
  segment = clip.audio[80 : 80 + tiny.SAMPLES, 0]
  expected = spectrogram.log_mel(segment, tiny.SPECTROGRAM)
  np.testing.assert_allclose(found[1], expected, rtol=1e-6)


def test_stereo_is_mixed():
  clip = tiny.clip()
  sides = np.concatenate([clip.audio, -clip.audio], axis=1)
  found = eval_example(clip._replace(audio=sides), (tiny.RAW,), num_segments=1)
  np.testing.assert_array_equal(found["audio"], np.zeros((1, 320, 1)))


def test_models_of_a_single_modality():
  class Unused:
    def __len__(self):
      return 6

    def __getitem__(self, part):
      raise AssertionError("the frames are decoded")

  audio = train_example(tiny.clip(frames=Unused()), inputs=(tiny.RAW,))
  assert set(audio) == {"audio", "has_audio", "labels"}
  assert audio["audio"].shape == (320, 1)
  video = train_example(tiny.clip(), inputs=(tiny.VIDEO,))
  assert set(video) == {"video", "has_video", "labels"}


def test_missing_audio_is_masked():
  example = eval_example(tiny.clip(has_audio=False))
  assert (bool(example["has_video"]), bool(example["has_audio"])) == (
    True,
    False,
  )


@pytest.mark.parametrize(
  ("modalities", "expected"),
  [
    (data.Modalities.ALL, (True, True)),
    (data.Modalities.AUDIO, (False, True)),
    (data.Modalities.VIDEO, (True, False)),
  ],
)
def test_modalities_that_are_not_used_are_masked(modalities, expected):
  example = eval_example(tiny.clip(), modalities=modalities)
  assert (bool(example["has_video"]), bool(example["has_audio"])) == expected


def test_rates_of_dropped_modalities():
  config = tiny.data_config(drop_video=0.3, drop_audio=0.2)
  transform = examples.TrainTransform(config, model_inputs(config))
  clip, generator = tiny.clip(), np.random.default_rng(0)
  found = [transform(clip, generator) for _ in range(600)]
  flags = np.array([[e["has_video"], e["has_audio"]] for e in found])
  assert flags.any(axis=1).all()
  np.testing.assert_allclose(flags.mean(axis=0), [0.7, 0.8], atol=0.06)


def test_the_only_modality_of_a_clip_is_never_dropped():
  for only in (data.Modalities.ALL, data.Modalities.VIDEO):
    config = tiny.data_config(drop_video=1.0, modalities=only)
    transform = examples.TrainTransform(config, model_inputs(config))
    clip = tiny.clip(has_audio=only is data.Modalities.VIDEO)
    example = transform(clip, np.random.default_rng(0))
    assert (bool(example["has_video"]), bool(example["has_audio"])) == (
      True,
      False,
    )


def test_spectrograms_are_masked_in_training_only():
  clip = tiny.clip()
  hidden = masking.SpecAugmentConfig(time_part=1.0, band_part=1.0)
  one, other = (
    train_example(clip._replace(frames=clip.frames[:4]), spec_augment=x)
    for x in (None, hidden)
  )
  assert (one["audio"] != other["audio"]).any()
  one, other = (eval_example(clip, spec_augment=x) for x in (None, hidden))
  np.testing.assert_array_equal(one["audio"], other["audio"])


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"labels": (1, 4)}, r"clip steps: the labels \[4\] are none; expected 0"),
    ({"labels": (-1,)}, r"the labels \[-1\] are none"),
    (
      {"sample_rate": 4000},
      r"clip steps: 4 frames .* 640 samples at 4000 .* the model's 320",
    ),
  ],
)
def test_clips_that_do_not_fit_are_named(changes, message):
  with pytest.raises(files.InputError, match=message):
    eval_example(tiny.clip(**changes))


def test_spectrograms_of_another_rate_are_refused():
  changes = {"sample_rate": 4000, "frame_rate": 50.0}
  with pytest.raises(files.InputError, match=r"4000 samples .* expected 2000"):
    eval_example(tiny.clip(**changes))


# ---------------------------------------------------------------------- splits


def make_task(config):
  return audioset_task.AudioSet(
    model=perceiver.create(tiny.model_config()),
    data=config,
    eval_batch_size=2,
    devices=sharding.ParallelConfig(),
  )


def test_synthetic_splits_have_nothing_in_common():
  task = make_task(tiny.data_config())
  train, held_out = task.train_split(), task.eval_split()
  assert (train.name, len(train.source)) == ("synthetic train", 24)
  assert (held_out.name, len(held_out.source)) == ("synthetic evaluation", 6)
  for i in range(6):
    assert (held_out.source[i].audio != train.source[i].audio).any()
  assert len(task.class_names()) == 4


def test_other_classes_than_the_models_are_refused():
  five = dataclasses.replace(tiny.SYNTHETIC, num_classes=5)
  with pytest.raises(
    files.InputError, match="has 5 classes; expected the model's 4"
  ):
    make_task(tiny.data_config(synthetic=five)).train_split()


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"num_segments": 0}, "num_segments is 0"),
    ({"num_eval": 0}, "num_eval is 0"),
    ({"drop_video": 0.7, "drop_audio": 0.4}, "sum is at most 1"),
    ({"drop_audio": -0.1}, "sum is at most 1"),
  ],
)
def test_impossible_settings_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    tiny.data_config(**changes)


@pytest.mark.parametrize(
  ("modalities", "changes", "message"),
  [
    (
      (tiny.VIDEO,),
      {"modalities": data.Modalities.AUDIO},
      "is audio; expected a modality of the model",
    ),
    (
      (tiny.RAW,),
      {"spec_augment": masking.SpecAugmentConfig()},
      "the model takes no spectrogram",
    ),
    (
      (tiny.MEL,),
      {"spectrogram": spectrogram.SpectrogramConfig()},
      "num_bands is 80; expected the model's 6",
    ),
  ],
)
def test_inputs_that_the_data_cannot_provide(modalities, changes, message):
  with pytest.raises(ValueError, match=message):
    model_inputs(tiny.data_config(**changes), *modalities)


def test_other_modalities_are_refused():
  other = tiny.multimodal.ModalityConfig(name="audio", input=tiny.VIDEO.input)
  with pytest.raises(ValueError, match=r"has \['audio'\]; expected 'video'"):
    model_inputs(tiny.data_config(), other)
