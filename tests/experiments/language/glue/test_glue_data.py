"""Examples of several tasks at once, and refusals."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from experiments.data import files
from experiments.data import loader
from experiments.language.glue import configs
from experiments.language.glue import data
from experiments.language.glue import glue_tasks
from experiments.language.glue import synthetic
from experiments.language.text import sentencepiece
from experiments.training import evaluation
from tests.helpers import tfds_folders

TINY = synthetic.SyntheticConfig(train=6, dev=4, test=3)


def config(**changes):
  changes = {
    "source": data.Source(data.Kind.SYNTHETIC),
    "synthetic": TINY,
    **changes,
  }
  return data.DataConfig(**changes)


def splits(names, **changes):
  found = config(**changes)
  return data.splits(found, names, data.encoder(found, 64, 262))


def test_tasks_are_mixed():
  train, dev = splits(("rte", "mnli"))
  assert (train.name, len(train.source)) == ("synthetic rte mnli train", 12)
  assert (dev.name, len(dev.source)) == ("synthetic rte mnli dev", 12)
  (batch,) = loader.eval_batches(dev, batch_size=12)
  assert batch["task"].tolist() == [0] * 4 + [1] * 8
  assert batch["eval_split"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
  assert batch["label"].tolist() == [0, 1, 0, 1, *[0, 1, 2, 0] * 2]
  assert batch["ids"].shape == (12, 64)
  shuffled = next(loader.train_batches(train, batch_size=12, seed=0))
  assert sorted(shuffled["task"]) == [0] * 6 + [1] * 6
  assert shuffled["task"].tolist() != sorted(shuffled["task"])


def test_the_papers_numbers_are_those_of_the_official_development_sets():
  def papers(recipe, config):
    found = configs.EXPERIMENTS[recipe]
    names = [task.name for task in found.model.tasks]
    name = data.split_name(config, names, "dev")
    metrics = {r.metric: 0.5 for r in configs.RESULTS[recipe].row()}
    evaluated = evaluation.Evaluation(
      metrics=metrics, examples=1, expected=1, split=name
    )
    return len(evaluated.papers(configs.RESULTS[recipe]))

  tfds = data.DataConfig(source=data.Source(data.Kind.TFDS))
  partial = data.DataConfig(allow_partial=True)
  folders = data.DataConfig(source=data.Source(data.Kind.FILES))
  for recipe, count in (("mnli", 2), ("bert_rte", 1), ("multitask", 10)):
    assert papers(recipe, data.DataConfig()) == count
    assert papers(recipe, tfds) == papers(recipe, folders) == count
    assert papers(recipe, config()) == papers(recipe, partial) == 0


def test_all_tasks_at_once():
  train, _ = splits(tuple(glue_tasks.TASKS))
  assert (train.name, len(train.source)) == ("synthetic 9 tasks train", 54)
  with pytest.raises(IndexError):
    train.source[54]


@pytest.fixture
def folder(tmp_path):
  synthetic.write(tmp_path, TINY)
  return tmp_path


def of_folder(folder, names, **changes):
  changes = {"source": data.Source(data.Kind.FILES, folder), **changes}
  return splits(names, **changes)


def test_skipped_and_cut_examples_are_reported(folder, capsys):
  path = folder / "RTE" / "train.tsv"
  path.write_text(path.read_text() + "6\tx\n7\tx\n8\ty\n9\ty\n")
  found = data.DataConfig(
    source=data.Source(data.Kind.FILES, folder), allow_partial=True
  )
  data.splits(found, ("rte",), data.encoder(found, 30, 262))
  lines = capsys.readouterr().err.splitlines()
  assert lines[0].startswith(f"{path}: 6 examples, 4 lines skipped, ")
  assert lines[0].endswith(" cut to 30 tokens")
  cut = sum(
    len("".join(line.split("\t")[1:3])) + 1 > 30
    for line in path.read_text().splitlines()[1:7]
  )
  assert f" {cut} cut" in lines[0]
  assert cut > 0
  assert lines[1] == f"  {path}, line 8: it has 2 columns; expected 4"
  assert len([line for line in lines if line.startswith("  ")]) == 3
  assert lines[4] == "skipped: 4 × it has 2 columns; expected 4"


def test_official_numbers(folder):
  message = r"RTE/train\.tsv has 6 examples where .* has 2,490; set data\.all"
  with pytest.raises(files.InputError, match=message):
    of_folder(folder, ("rte",))
  train, _ = of_folder(folder, ("rte",), allow_partial=True)
  assert len(train.source) == 6


def test_test_sets(folder):
  task = glue_tasks.TASKS["mnli"]
  read = lambda **changes: data.read_test(
    config(source=data.Source(data.Kind.FILES, folder), **changes),
    task,
    task.eval_splits[1],
    data.encoder(config(), 64, 262),
  )
  with pytest.raises(files.InputError, match=r"has 3 examples .* has 9,847"):
    read()
  assert [e.number for e in read(allow_partial=True).examples] == list("012")


def test_a_folder_is_needed(tmp_path):
  with pytest.raises(files.InputError, match=r"give --data\.source files:"):
    of_folder(None, ("rte",))
  with pytest.raises(files.InputError, match=r"RTE/train\.tsv cannot be read"):
    of_folder(tmp_path, ("rte",))


def test_unknown_tasks():
  with pytest.raises(ValueError, match=r"no task \['ax'\], only \['cola'"):
    data.eval_splits(["ax"])


# ---------------------------------------------------------------- vocabularies


def test_a_vocabulary_of_another_size(tmp_path):
  with pytest.raises(files.InputError, match=r"bytes has 262 .* expected 300"):
    data.encoder(config(), 64, 300)
  lines = (" ".join(map(str, range(i, i + 9))) for i in range(200))
  path = tmp_path / "pieces.model"
  path.write_bytes(sentencepiece.train(lines, 300))
  found = config(sentencepiece_model=path)
  assert data.encoder(found, 64, 300).tokenizer.vocab_size == 300
  with pytest.raises(files.InputError, match=r"model has 300 .* expected 262"):
    data.encoder(found, 64, 262)


# ---------------------------------------------------------- TensorFlow Datasets


def build(root, name, label, labels):
  """Writes glue/NAME with pairs; test sets have the label -1."""
  task = glue_tasks.TASKS[name]
  names = task.tfds_texts or task.texts
  texts = {n: tfds.features.Text() for n in names}
  features = {**texts, "label": label, "idx": np.int32}
  row = lambda i, label: {
    **{n: f"{n} {i}é" for n in names},
    "label": label,
    "idx": 10 + i,
  }
  rows = {
    "train": [row(i, x) for i, x in enumerate(labels)],
    "validation": [row(0, labels[0])],
    "test": [row(i, -1) for i in range(2)],
  }
  return tfds_folders.write(root, f"glue/{name}", features, rows)


def test_prepared_data_sets(tmp_path):
  # Names in another order than ours.
  label = tfds.features.ClassLabel(names=["not_entailment", "entailment"])
  build(tmp_path, "rte", label, [0, 1, 1])
  build(tmp_path, "stsb", np.float32, [0.0, 4.5, 5.0, -1.0])  # one has none
  found = config(
    source=data.Source(data.Kind.TFDS, tmp_path), allow_partial=True
  )
  train, dev = data.splits(found, ("rte", "stsb"), data.encoder(found, 64, 262))
  examples = [train.source[i].example for i in range(6)]
  assert [e.number for e in examples] == ["10", "11", "12"] * 2
  assert [e.label for e in examples] == [1, 0, 0, 0, 4.5, 5]
  assert examples[1].texts == ("sentence1 1é", "sentence2 1é")
  assert len(dev.source) == 2
  task = glue_tasks.TASKS["rte"]
  encoder = data.encoder(found, 64, 262)
  test = data.read_test(found, task, task.eval_splits[0], encoder)
  assert [e.label for e in test.examples] == [-1, -1]
  with pytest.raises(files.InputError, match=r"has 3 examples .* has 2,490"):
    splits(("rte",), source=data.Source(data.Kind.TFDS, tmp_path))


def test_prepared_data_sets_that_cannot_be_used(tmp_path):
  read = lambda name: splits(
    (name,), source=data.Source(data.Kind.TFDS, tmp_path), allow_partial=True
  )
  with pytest.raises(
    files.InputError, match=r"glue/rte has no .*tfds build glue/"
  ):
    read("rte")
  label = tfds.features.ClassLabel(num_classes=3)
  build(tmp_path, "rte", label, [0, 1, 2])
  with pytest.raises(files.InputError, match="has 3 classes; expected 2"):
    read("rte")
  build(tmp_path, "stsb", np.float32, [5.5])
  with pytest.raises(
    files.InputError, match=r"0: label is 5\.5; expected from 0"
  ):
    read("stsb")
  build(tmp_path, "mnli", label, [0])
  with pytest.raises(files.InputError, match=r"expected \['validation_mat"):
    read("mnli")
