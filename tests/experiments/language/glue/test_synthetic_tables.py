"""Synthetic files, by rules that can be learned."""

import pytest

from experiments.language.glue import glue_tasks
from experiments.language.glue import synthetic
from experiments.language.glue import tsv

CONFIG = synthetic.SyntheticConfig(train=60, dev=12, test=6)
GOOD = {"useful", "simple", "correct", "valid", "complete", "safe"}
BAD = {"invalid", "missing", "wrong", "empty", "illegal", "broken"}
KINDS = ({"list", "tuple", "dictionary"}, {"module", "class", "function"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp("glue")
  synthetic.write(folder, CONFIG)
  return folder


def read(folder, name, file="train.tsv"):
  task = glue_tasks.TASKS[name]
  is_test = file.startswith("test")
  table = tsv.read(task, folder / task.folder / file, is_test=is_test)
  assert table.skipped == ()
  return table.examples


@pytest.mark.parametrize(
  "task", glue_tasks.TASKS.values(), ids=lambda t: t.name
)
def test_all_files_are_read(folder, task):
  assert len(read(folder, task.name)) == 60
  for split in task.eval_splits:
    assert len(read(folder, task.name, f"dev{split.suffix}.tsv")) == 12
    test = read(folder, task.name, f"test{split.suffix}.tsv")
    assert [e.number for e in test] == ["0", "1", "2", "3", "4", "5"]
  labels = {e.label for e in read(folder, task.name)}
  assert labels == set(range(len(task.classes) or 6))


def kinds(text):
  return [bool(set(text.split()) & kind) for kind in KINDS]


RULES = {
  "sst2": lambda text: bool(set(text.split()) & GOOD),
  "mrpc": lambda a, b: kinds(a) == kinds(b),
  "stsb": lambda a, b: sum(word in GOOD for word in b.split()),
  "qqp": lambda a, b: a.split()[0] == b.split()[0],
  "mnli": lambda a, b: [w in b.split() for w in ("also", "perhaps", "never")],
  "qnli": lambda a, b: kinds(b)["code" in a],
  "rte": lambda a, b: "never" in b.split(),
  "wnli": lambda a, b: "with" in b.split(),
}


@pytest.mark.parametrize("name", RULES)
def test_rules_hold(folder, name):
  suffix = glue_tasks.TASKS[name].eval_splits[0].suffix
  for file in ("train.tsv", f"dev{suffix}.tsv"):
    for example in read(folder, name, file):
      found = RULES[name](*example.texts)
      if name == "mnli":
        assert found.index(True) == example.label
        assert sum(found) == 1
      elif name == "qnli":
        assert found == (example.label == 0)
      else:
        assert found == example.label


def test_acceptable_sentences_are_spelt_right(folder):
  words = synthetic.prose_words(False)
  rows = {words[i : i + 5] for i in range(len(words) - 4)}
  letters = {tuple("".join(sorted(word)) for word in row) for row in rows}
  for example in read(folder, "cola"):
    row = tuple(example.texts[0].split())
    assert (row in rows) == (example.label == 1)
    assert tuple("".join(sorted(word)) for word in row) in letters


def test_files_depend_on_the_seed_alone(folder, tmp_path):
  synthetic.write(tmp_path / "same", CONFIG, ["rte"])
  synthetic.write(
    tmp_path / "other", synthetic.SyntheticConfig(train=60, seed=1), ["rte"]
  )
  texts = [
    (f / "RTE" / "train.tsv").read_bytes()
    for f in (folder, tmp_path / "same", tmp_path / "other")
  ]
  assert texts[0] == texts[1]
  assert texts[0] != texts[2]
  assert not (tmp_path / "same" / "CoLA").exists()


def test_numbers_are_checked():
  with pytest.raises(ValueError, match="train is 1; expected at least 2"):
    synthetic.SyntheticConfig(train=1)
