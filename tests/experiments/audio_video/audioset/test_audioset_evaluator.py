"""Scores are means over segments, and rankings are of whole splits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.audio_video.audioset import average_precision
from experiments.audio_video.audioset import evaluator
from experiments.cluster import startup
from experiments.training import evaluation
import perceiver
from tests.helpers import echo_clips
from tests.helpers import process_groups
from tests.helpers import tiny_audioset as tiny

ECHO, LOGITS, LABELS = echo_clips.Echo(), echo_clips.LOGITS, echo_clips.LABELS
make_evaluator = echo_clips.make_evaluator


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


SCORES = np.stack(
  [
    sigmoid(LOGITS[[i, (i + 1) % 5, (i + 2) % 5]]).mean(axis=0)
    for i in range(5)
  ]
)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 8])
def test_scores_are_means_over_segments(batch_size):
  loop = evaluation.Loop(split=echo_clips.split(), batch_size=batch_size)
  found = evaluator.predict(ECHO, jnp.float32(1), loop)
  np.testing.assert_allclose(found.scores, SCORES, rtol=1e-5)
  np.testing.assert_array_equal(found.labels, LABELS)
  logits = LOGITS[[0, 1, 2]]
  nats = np.log1p(np.exp(logits)) - logits * LABELS[0]
  np.testing.assert_allclose(found.loss[0], nats.mean(), rtol=1e-5)


def test_silent_clips_are_masked_and_counted():
  loop = evaluation.Loop(split=echo_clips.split((3, 4)), batch_size=2)
  found = evaluator.predict(ECHO, jnp.float32(1), loop)
  np.testing.assert_array_equal(found.silent, [False, False, False, True, True])
  np.testing.assert_allclose(found.scores[3:], 0.5)


def test_the_whole_split_is_ranked():
  found = make_evaluator(silent=(1,))(jnp.float32(1))
  scores = SCORES.copy()
  scores[1] = 0.5
  precision = average_precision.of(LABELS, scores)
  assert found.metrics["map"] == pytest.approx(precision.mean)
  assert found.metrics["chance_map"] == pytest.approx((0.6 + 0.4) / 2)
  assert (found.metrics["classes"], found.metrics["silent"]) == (2, 1)
  assert (found.examples, found.expected, found.split) == (5, 5, "echo")
  (table,) = found.details
  assert {name for name, *_ in table.rows} == {"bell", "dog"}


def test_devices_share_the_clips_and_find_the_same():
  assert jax.device_count() == 4
  alone = make_evaluator()(jnp.float32(1)).metrics
  shared = make_evaluator(echo_clips.ALL)(jnp.float32(1)).metrics
  assert shared == pytest.approx(alone, rel=1e-6)


def test_processes_share_the_clips_and_find_the_same(tmp_path):
  address = f"localhost:{startup.free_port()}"
  both = [
    process_groups.Process(
      tmp_path / str(number),
      echo_clips.evaluate_with_others,
      *(address, 2, number),
      devices=2,
    )
    for number in range(2)
  ]
  alone = make_evaluator(silent=(1,))(jnp.float32(1)).metrics
  expected = pytest.approx([alone["map"], alone["loss"], 5], rel=1e-6)
  for process in both:
    assert process.join() == 0, process.output()
    last = process.output().rpartition("found")[-1]
    assert [float(word) for word in last.split()] == expected


def test_progress_and_stopping():
  done = []
  make_evaluator(batch_size=2)(
    jnp.float32(1),
    evaluation.Watch(on_progress=lambda *counts: done.append(counts)),
  )
  assert done == [(2, 5), (4, 5), (5, 5)]
  with pytest.raises(evaluation.Abandoned):
    make_evaluator()(jnp.float32(1), evaluation.Watch(should_stop=lambda: True))


def test_pixels_are_in_the_models_units():
  batch = {
    "video": np.uint8([[0, 51, 255]]),
    "has_video": np.array([True]),
    "labels": np.zeros((1, 2)),
  }
  inputs, present = evaluator.to_model(batch)
  np.testing.assert_allclose(inputs["video"], [[-1, -0.6, 1]], rtol=1e-6)
  assert set(inputs) == set(present) == {"video"}


def test_cross_entropy_is_a_mean_over_classes():
  logits, labels = jnp.float32([[0, 0, 100, -100]]), jnp.float32([[1, 0, 1, 0]])
  found = evaluator.cross_entropy(logits, labels)
  np.testing.assert_allclose(found, [np.log(2) / 2], rtol=1e-6)


# ----------------------------------------------------------------------- tables


def test_tables_show_the_best_and_the_worst():
  by_class = np.linspace(1, 0.5, 40)
  by_class[7] = np.nan
  prevalence = np.where(np.isnan(by_class), 0, 0.25)
  precision = average_precision.AveragePrecisions(by_class, prevalence)
  names = tuple(f"class {i}" for i in range(40))
  table = evaluator.table(precision, names)
  assert len(table.rows) == 20 + 1
  assert table.rows[0] == ("class 0", "1.0000", "0.2500")
  assert table.rows[-1] == ("class 39", "0.5000", "0.2500")
  assert table.caption.endswith("; 1 are in no clip and not evaluated")
  assert "class 7" not in [name for name, *_ in table.rows]


# ----------------------------------------------------------- with a real model


def test_what_is_masked_changes_nothing():
  model = perceiver.create(tiny.model_config())
  variables = model.init(jax.random.key(0))
  generator = np.random.default_rng(0)
  batch = {
    "video": generator.integers(0, 256, (2, 4, 8, 8, 3), np.uint8),
    "audio": generator.normal(size=(2, 5, 6)).astype(np.float32),
    "has_video": np.array([True, False]),
    "has_audio": np.array([True, True]),
  }
  other = batch | {"video": 255 - batch["video"]}
  one, two = (
    model.apply(variables, inputs, mask=present)
    for inputs, present in map(evaluator.to_model, (batch, other))
  )
  assert (one[0] != two[0]).any()
  np.testing.assert_array_equal(one[1], two[1])
