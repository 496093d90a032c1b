"""Examples of masked texts: their contents, and that they are repeatable."""

import dataclasses

import chex
import numpy as np
import pytest

from experiments.data import bytes_tokenizer
from experiments.data import files
from experiments.data import loader
from experiments.data import python_topics
from experiments.language.masked_language import data
from experiments.language.text import corpora
from experiments.language.text import sentencepiece
from tests.helpers import tiny_language

LENGTH = 120
CONFIG = data.DataConfig(
  source=corpora.PYTHON_TOPICS, max_masked=0.5, eval_examples=None
)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
  path = tmp_path_factory.mktemp("pieces") / "pieces.model"
  path.write_bytes(tiny_language.pieces())
  return dataclasses.replace(CONFIG, sentencepiece_model=path)


def take(batches, count):
  found = [next(batches) for _ in range(count)]
  batches.close()
  return found


def train_batches(config=CONFIG, count=3, **changes):
  train, _ = data.splits(config, LENGTH)
  settings = {"batch_size": 4, "seed": 3, **changes}
  return take(loader.train_batches(train, **settings), count)


def unmasked(batch, row):
  """Returns the ids of an example before its words were masked."""
  ids = batch["ids"][row].copy()
  real = batch["words"][row] >= 0
  positions = batch["positions"][row][real]
  assert np.all(ids[positions] == bytes_tokenizer.MASK)
  assert np.count_nonzero(ids == bytes_tokenizer.MASK) == real.sum()
  ids[positions] = batch["targets"][row][real]
  return ids[batch["input_mask"][row]]


def test_shapes_of_an_example():
  batch = train_batches()[0]
  shapes = {name: (x.shape, x.dtype.name) for name, x in batch.items()}
  assert shapes == {
    "ids": ((4, 120), "int32"),
    "input_mask": ((4, 120), "bool"),
    "positions": ((4, 60), "int32"),
    "targets": ((4, 60), "int32"),
    "words": ((4, 60), "int32"),
    "num_bytes": ((4, 60), "int32"),
    "weight": ((4,), "float32"),
  }


def test_examples_are_crops_of_the_training_texts():
  joined = b"\n\n".join(python_topics.documents(held_out=False))
  whole = 0
  for batch in train_batches(count=8):
    for row in range(4):
      text = bytes_tokenizer.to_bytes(unmasked(batch, row))
      assert len(text) == LENGTH
      whole += text in joined
  assert whole >= 28  # the others reach over the end of a document


def test_documents_are_joined_before_the_cut():
  components = (corpora.Component([b"a" * 10, b"b" * 10]),)
  mask = data.Masking(
    sentencepiece.tokenizer(CONFIG.sentencepiece_model), 0.5, 1000, 500
  )
  transform = data.TrainTransform(components, CONFIG, mask)
  example = transform((0, 1), np.random.default_rng(0))
  batch = {name: value[None] for name, value in example.items()}
  text = bytes_tokenizer.to_bytes(unmasked(batch, 0))
  documents = text.split(b"\n\n")
  assert len(documents) == 10
  assert documents[0] == b"b" * 10
  assert set(documents) == {b"a" * 10, b"b" * 10}


def test_a_space_goes_with_the_word_after_it(pieces):
  """By bytes and by pieces alike; other whitespace stays."""
  for config in (CONFIG, pieces):
    tokenizer = sentencepiece.tokenizer(config.sentencepiece_model)
    text = "the is\n the is "
    ids = tokenizer.encode(text)
    mask = data.Masking(tokenizer, 1.0, len(ids), len(ids))
    found = mask(ids, np.random.default_rng(0))
    visible = tokenizer.decode(found["ids"])
    assert visible == "\n "
    # Every word counts its bytes and its space's.
    real = found["words"] >= 0
    lengths = np.bincount(found["words"][real], found["num_bytes"][real])
    if tokenizer.vocab_size == bytes_tokenizer.VOCAB_SIZE:
      assert list(lengths) == [3, 3, 4, 3]
    else:
      assert sum(lengths) == len(text) - 2


def test_no_word_of_bytes_is_betrayed_by_its_space():
  """Unless that is wanted, every masked word in a line hides its beginning."""
  for config in (CONFIG, dataclasses.replace(CONFIG, mask_spaces=False)):
    train, _ = data.splits(config, LENGTH)
    (batch,) = take(loader.train_batches(train, batch_size=64, seed=0), 1)
    spaces = np.count_nonzero(batch["targets"] == bytes_tokenizer.encode(" "))
    words = np.sum(batch["words"].max(axis=1) + 1)
    share = spaces / words
    assert share > 0.8 if config.mask_spaces else share == 0


def test_words_are_numbered_and_counted():
  ids = bytes_tokenizer.encode("aa b cc ö")
  tokenizer = sentencepiece.tokenizer(CONFIG.sentencepiece_model)
  mask = data.Masking(tokenizer, 1.0, 12, 8, spaces=False)
  found = mask(ids, np.random.default_rng(0))
  assert list(found["ids"]) == [3, 3, 38, 3, 38, 3, 3, 38, 3, 3, 0, 0]
  assert list(found["input_mask"]) == [True] * 10 + [False] * 2
  assert list(found["positions"]) == [0, 1, 3, 5, 6, 8, 9, 0]
  assert list(found["targets"]) == [103, 103, 104, 105, 105, 201, 188, 0]
  assert list(found["words"]) == [0, 0, 1, 2, 2, 3, 3, -1]
  assert list(found["num_bytes"]) == [1] * 7 + [0]


def test_a_run_goes_on_in_the_middle_of_an_epoch():
  whole = train_batches(count=25)  # an epoch is 69 examples
  chex.assert_trees_all_equal(train_batches(count=4, start_step=21), whole[21:])
  assert any(
    np.any(one["ids"] != whole[0]["ids"]) for one in train_batches(seed=4)
  )


def test_processes_and_workers_change_nothing():
  whole = train_batches(count=2)
  shares = [
    train_batches(count=2, process_index=i, process_count=2) for i in range(2)
  ]
  for name, values in whole[1].items():
    joined = np.concatenate([share[1][name] for share in shares])
    np.testing.assert_array_equal(joined, values)
  chex.assert_trees_all_equal(train_batches(count=2, num_workers=1), whole)


def test_held_out_texts_are_evaluated_whole_and_always_alike():
  _, held_out = data.splits(CONFIG, LENGTH)
  (batch,) = loader.eval_batches(held_out, batch_size=len(held_out.source))
  text = b"".join(
    bytes_tokenizer.to_bytes(unmasked(batch, row))
    for row in range(len(batch["ids"]))
  )
  assert text == b"".join(
    d + b"\n\n" for d in python_topics.documents(held_out=True)
  )
  (again,) = loader.eval_batches(held_out, batch_size=len(held_out.source))
  chex.assert_trees_all_equal([batch], [again])


def test_other_masks_and_fewer_examples():
  config = dataclasses.replace(CONFIG, eval_examples=5, eval_masks=2)
  _, held_out = data.splits(config, LENGTH)
  (batch,) = loader.eval_batches(held_out, batch_size=10)
  assert batch["weight"].sum() == 10
  for row in range(5):
    one, other = unmasked(batch, row), unmasked(batch, row + 5)
    np.testing.assert_array_equal(one, other)
    assert np.any(batch["ids"][row] != batch["ids"][row + 5])


def test_bytes_and_pieces_encode_the_same_texts(pieces):
  texts = []
  for config in (CONFIG, pieces):
    tokenizer = sentencepiece.tokenizer(config.sentencepiece_model)
    _, held_out = data.splits(config, LENGTH)
    (batch,) = loader.eval_batches(held_out, batch_size=len(held_out.source))
    rows = [unmasked(batch, row) for row in range(len(batch["ids"]))]
    texts.append(tokenizer.decode(np.concatenate(rows)))
  assert texts[0] == texts[1]
  assert len(texts[0]) > 50_000


def test_masked_words_match_the_rate(pieces):
  """Within five deviations; 40 % of the tokens is never reached by pieces."""
  for config in (CONFIG, pieces):
    _, held_out = data.splits(config, 1000)
    tokenizer = sentencepiece.tokenizer(config.sentencepiece_model)
    masked, total = 0, 0
    for batch in loader.eval_batches(held_out, batch_size=1):
      masked += batch["words"].max() + 1
      total += tokenizer.words(unmasked(batch, 0)).max() + 1
    error = 5 * (0.15 * 0.85 / total) ** 0.5
    assert masked / total == pytest.approx(0.15, abs=error)


def test_missing_models_are_named(tmp_path):
  config = dataclasses.replace(CONFIG, sentencepiece_model=tmp_path / "a")
  with pytest.raises(files.InputError, match="a cannot be read"):
    data.splits(config, LENGTH)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"mask_rate": 0.0}, r"mask_rate is 0\.0; expected \(0, 1\]"),
    ({"max_masked": 1.5}, r"max_masked is 1\.5; expected"),
    ({"documents": 0}, "documents is 0; expected at least 1"),
    ({"eval_masks": 0}, "eval_masks is 0; expected"),
    ({"eval_examples": -1}, "eval_examples is -1; expected"),
  ],
)
def test_impossible_settings_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    data.DataConfig(**changes)
