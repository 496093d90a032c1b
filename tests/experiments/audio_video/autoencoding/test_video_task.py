"""Loss and metrics of autoencoders."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.audio_video.autoencoding import data
from experiments.audio_video.autoencoding import task as autoencoding_task
from experiments.audio_video.clips import clips
import perceiver
from tests.helpers import tiny_video

LOSS = autoencoding_task.LossConfig(
  video=0.5, audio=2.0, label=0.25, image_points=32, audio_points=8
)


@pytest.fixture(scope="module")
def task():
  return autoencoding_task.VideoAutoencoding(
    model=perceiver.create(tiny_video.config()),
    data=data.DataConfig(num_eval=5),
    loss=LOSS,
  )


@pytest.fixture(scope="module")
def variables(task):
  return task.model.init(jax.random.key(0))


@pytest.fixture(scope="module")
def batch(task):
  """Twelve times the same clip, then four others."""
  split = task.eval_split()
  examples = [
    split.transform(split.source[i], np.random.default_rng(0))
    for i in [0] * 12 + [1, 2, 3, 4]
  ]
  stacked = {n: np.stack([e[n] for e in examples]) for n in examples[0]}
  return {**stacked, "weight": np.ones(16, np.float32)}


@pytest.fixture(scope="module")
def train(task, variables, batch):
  """Returns the metrics of a training step, a function of the key."""

  def run(key):
    return task.losses(variables, batch, rng=key, is_training=True).metrics

  return jax.jit(run)


@pytest.fixture(scope="module")
def evaluated(task, variables, batch):
  """Returns loss and metrics of an evaluation."""

  def run():
    found = task.losses(variables, batch, rng=None, is_training=False)
    return found.loss, found.metrics

  return jax.jit(run)()


def test_metrics_of_literals():
  truth = {"image": jnp.full((2, 4, 3), 0.5), "audio": jnp.zeros((2, 2, 8))}
  found = {
    "image": truth["image"].at[1].add(0.1).at[0].set(-3.0),
    "audio": jnp.zeros((2, 16)).at[1].set(0.01),
    "label": jnp.array([[0.0, 0.0], [jnp.log(3.0), 0.0]]),
  }
  metrics = autoencoding_task.compute_metrics(found, truth, jnp.array([1, 0]))
  expected = {
    "video_l1": [3.5, 0.1],
    "audio_l1": [0, 0.01],
    "label_nats": [np.log(2), np.log(4 / 3)],
    # The first is clipped to 0, half the range from the truth.
    "video_psnr": [-20 * np.log10(0.5), 20],
    "audio_psnr": [100, 40],
    "top_1": [0, 1],
  }
  assert set(metrics) == set(expected)
  for name, values in expected.items():
    np.testing.assert_allclose(metrics[name], values, rtol=1e-4, err_msg=name)


def test_the_mean_predictor():
  image = np.zeros((1, 2, 2, 2, 3), np.float32)
  image[:, 1] = 0.2  # 0.1 from its mean everywhere
  audio = np.tile(np.array([[[0.4], [0.6]]], np.float32), (1, 8, 1))
  rows = {"image": image.reshape(1, 8, 3), "audio": audio.reshape(1, 2, 8)}
  found = autoencoding_task.mean_predictor(
    {"image": image, "audio": audio}, rows
  )
  np.testing.assert_allclose(found["mean_video_psnr"], [20], rtol=1e-4)
  np.testing.assert_allclose(found["mean_audio_psnr"], [20], rtol=1e-4)


def test_the_loss_is_a_weighted_sum(evaluated):
  loss, metrics = evaluated
  expected = (
    0.5 * metrics["video_l1"]
    + 2.0 * metrics["audio_l1"]
    + 0.25 * metrics["label_nats"]
  )
  np.testing.assert_allclose(loss, expected, rtol=1e-5)
  assert loss.shape == (16,)


def test_evaluation_decodes_all_and_masks_the_label(
  task, variables, batch, evaluated
):
  _, metrics = evaluated
  inputs = autoencoding_task.to_model(batch)
  found = task.model.apply(variables, inputs)
  image = np.asarray(inputs["image"]).reshape(16, -1, 3)
  error = np.clip(found["image"], 0, 1) - image
  np.testing.assert_allclose(
    metrics["video_psnr"], -10 * np.log10(np.mean(error**2, (1, 2))), rtol=1e-4
  )
  nats = -jax.nn.log_softmax(found["label"])[np.arange(16), batch["label"]]
  np.testing.assert_allclose(metrics["label_nats"], nats, rtol=1e-4)


def test_training_masks_half_of_the_labels(train, evaluated):
  all_masked = evaluated[1]["label_nats"][0]
  masked = []
  for seed in range(8):
    nats = np.asarray(train(jax.random.key(seed))["label_nats"])[:12]
    # All clips are the same, and so are all with an unmasked label.
    assert len(np.unique(np.round(nats, 4))) <= 2
    masked += list(np.isclose(nats, all_masked, atol=1e-4))
  assert 30 < sum(masked) < 66  # of 96


def test_training_decodes_some_points(task):
  points = task._sample_points(jax.random.key(2))
  assert {name: x.shape for name, x in points.items()} == {
    "image": (32,),
    "audio": (8,),
  }
  for name, total in (("image", 512), ("audio", 16)):
    chosen = np.asarray(points[name])
    assert len(set(chosen)) == len(chosen)
    assert 0 <= chosen.min() < chosen.max() < total
  other = task._sample_points(jax.random.key(3))
  assert (points["image"] != other["image"]).any()
  every = dataclasses.replace(
    task,
    loss=autoencoding_task.LossConfig(image_points=None, audio_points=None),
  )
  assert not every._sample_points(jax.random.key(2))


def test_points_estimate_the_whole(train, evaluated):
  some = [train(jax.random.key(seed))["video_l1"][12:] for seed in range(20)]
  np.testing.assert_allclose(
    np.mean(some, axis=0), evaluated[1]["video_l1"][12:], rtol=0.1
  )


def test_the_shape_of_clips():
  assert autoencoding_task.clip_shape(tiny_video.config()) == clips.ClipShape(
    num_frames=2, size=(16, 16), num_samples=128, channels=1, num_classes=9
  )


def test_models_of_other_outputs():
  config = tiny_video.config()
  outputs = tuple(
    dataclasses.replace(x, grid=(8,)) if x.name == "audio" else x
    for x in config.outputs.outputs
  )
  less = dataclasses.replace(
    config, outputs=dataclasses.replace(config.outputs, outputs=outputs)
  )
  with pytest.raises(ValueError, match="outputs of the inputs' sizes"):
    autoencoding_task.clip_shape(less)
  renamed = tuple(
    dataclasses.replace(x, name="class" if x.name == "label" else x.name)
    for x in config.outputs.outputs
  )
  other = dataclasses.replace(
    config, outputs=dataclasses.replace(config.outputs, outputs=renamed)
  )
  with pytest.raises(ValueError, match="audio, image and label of both"):
    autoencoding_task.clip_shape(other)


@pytest.mark.parametrize(
  ("changes", "message"),
  [({"label": -1.0}, "label is -1.0"), ({"image_points": 0}, "image_points")],
)
def test_impossible_losses(changes, message):
  with pytest.raises(ValueError, match=message):
    autoencoding_task.LossConfig(**changes)
