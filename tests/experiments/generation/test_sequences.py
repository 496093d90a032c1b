"""Sequences, crops and windows."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.generation import sequences
from experiments.generation import task as generation_task
from experiments.generation.copy import data as copy_data
from tests.helpers import fill
from tests.helpers import perceiver_ar_goldens as goldens


def test_bytes_come_back():
  data = bytes(range(256))
  assert sequences.decode(sequences.sequence(data)) == data
  assert sequences.sequence(b"a").tolist() == [2, 3 + 97, 1]


def test_inputs_and_targets_are_the_released_ones():
  arrays = goldens.arrays("shift")
  for row, events in enumerate(arrays["events"]):
    length = int((events != 0).sum())
    if not length:
      continue
    found = sequences.example(events, length, 20, 8, 8)
    np.testing.assert_array_equal(found["inputs"], arrays["inputs"][row])
    np.testing.assert_array_equal(found["targets"], arrays["targets"][row])


def test_windows_and_score_are_the_released_ones():
  arrays, index = goldens.arrays("block_evaluation"), goldens.INDEX["goldens"]
  golden = index["block_evaluation"]
  whole = [arrays[f"sequence_{length}"] for length in golden["lengths"]]
  windows = list(sequences.windows(golden["lengths"], golden["block"]))
  transform = sequences.WindowTransform(whole, 20, 1.0)
  examples = [transform(window, None) for window in windows]
  batch = {
    name: jnp.stack([example[name] for example in examples])
    for name in examples[0]
  }
  sort = lambda rows: sorted(map(tuple, np.asarray(rows).tolist()))
  real = arrays["inputs"].any(axis=1)
  assert sort(batch["inputs"]) == sort(arrays["inputs"][real])
  assert sort(batch["targets"]) == sort(arrays["targets"][real])
  assert batch["counted"].sum() == arrays["num_examples"]
  model, variables = goldens.model_and_variables("block_evaluation")
  task = generation_task.Generation(
    model=model,
    splits=lambda: None,
    loss=generation_task.LossConfig(z_loss=0, summed=True),
  )
  found = task.losses(variables, batch, rng=None, is_training=False)
  np.testing.assert_allclose(found.loss.sum(), arrays["loss"], rtol=1e-5)
  assert found.metrics["accuracy"].sum() == arrays["accuracy"]


@pytest.mark.parametrize("case", ["plain", "z", "large_z"])
def test_cross_entropy_is_the_released_one(case):
  arrays = goldens.arrays("cross_entropy")
  logits = 3 * fill.array((3, 4, 9), goldens.SALT, "cross_entropy", "logits")
  weight, _ = goldens.INDEX["goldens"]["cross_entropy"]["cases"][case]
  nats, z_loss = generation_task.cross_entropy(logits, arrays["labels"], weight)
  np.testing.assert_allclose(nats + z_loss, arrays[f"{case}_loss"], rtol=1e-5)
  np.testing.assert_allclose(z_loss, arrays[f"{case}_z"], rtol=1e-5, atol=1e-7)


def test_crops_are_random_prefixes_of_what_fits():
  whole = np.arange(2, 32, dtype=np.int32)
  crop = sequences.RandomCrop((whole,), 64, 8)
  generator = np.random.default_rng(0)
  lengths = set()
  for _ in range(200):
    example = crop(0, generator)
    count = int((example["inputs"] != 0).sum())
    np.testing.assert_array_equal(example["inputs"][:count], whole[:count])
    assert example["counted"] == 8
    lengths.add(count)
  assert lengths == set(range(8, 30))


def test_every_element_of_the_second_half_counts_once():
  _, held_out = copy_data.splits(256, 64, 3)
  assert [window.end for window in held_out.source[:2]] == [192, 256]
  assert {window.counted for window in held_out.source} == {64}
  example = held_out.transform(held_out.source[0], None)
  inputs = example["inputs"][example["inputs"] != 0]
  assert len(inputs) == 191
  np.testing.assert_array_equal(inputs[128:191], inputs[127:64:-1])


def test_mirrored_sequences_differ_by_number():
  found = copy_data.Mirrored(32, 2, 0)
  assert len(found[0]) == 32
  assert (found[0] != found[1]).any()
  np.testing.assert_array_equal(found[0][1:16], found[0][16:31][::-1])
