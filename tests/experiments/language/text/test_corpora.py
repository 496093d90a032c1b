"""The documents of an epoch, and their sources."""

import collections
import itertools
import json

import pytest
import tensorflow_datasets as tfds

from experiments.data import files
from experiments.language.text import corpora
from tests.helpers import tfds_folders


def test_an_epoch_has_every_document_and_the_shares():
  mixture = corpora.Mixture((70, 6), (0.7, 0.3))
  assert len(mixture) == 100
  found = collections.Counter(mixture[i] for i in range(len(mixture)))
  assert found == {
    **{(0, i): 1 for i in range(70)},
    **{(1, i): 5 for i in range(6)},
  }
  with pytest.raises(IndexError):
    mixture[100]


@pytest.mark.parametrize(
  ("sizes", "shares"), [((1000, 77), (0.7, 0.3)), ((3, 500), (0.7, 0.3))]
)
def test_shares_hold_for_any_sizes(sizes, shares):
  mixture = corpora.Mixture(sizes, shares)
  found = collections.Counter(mixture[i] for i in range(len(mixture)))
  assert len(found) == sum(sizes)
  num_first = sum(count for (number, _), count in found.items() if number == 0)
  assert num_first / len(mixture) == pytest.approx(0.7, abs=1 / len(mixture))


def test_a_corpus_of_one_component_is_read_once():
  mixture = corpora.Mixture((5,), (1.0,))
  assert [mixture[i] for i in range(len(mixture))] == [(0, i) for i in range(5)]


def prepare(root, name, sizes, feature="text"):
  rows = {
    split: [{feature: f"{name} {split} {number}"} for number in range(size)]
    for split, size in sizes.items()
  }
  tfds_folders.write(root, name, {feature: tfds.features.Text()}, rows)


def test_c4_and_wikipedia_are_opened(tmp_path):
  corpus = corpora.Source(corpora.Corpus.C4_AND_WIKIPEDIA, tmp_path)
  with pytest.raises(files.InputError, match="tfds build c4/en --file_form"):
    corpora.open_corpus(corpus)
  prepare(tmp_path, "c4/en", {"train": 30, "validation": 4})
  with pytest.raises(files.InputError, match=r"wikipedia/2023.* has no data"):
    corpora.open_corpus(corpus)
  prepare(tmp_path, "wikipedia/20230601.en", {"train": 200})
  train, held_out = corpora.open_corpus(corpus)
  assert [(len(p.documents), p.share) for p in train] == [
    (30, 0.7),
    (198, pytest.approx(0.3)),
  ]
  assert [len(p.documents) for p in held_out] == [4, 2]
  texts = {
    component.documents[i]
    for component in (*train, *held_out)
    for i in range(len(component.documents))
  }
  assert len(texts) == 234
  assert b"c4/en train 29" in texts


def test_data_sets_without_texts_are_refused(tmp_path):
  corpus = corpora.Source(corpora.Corpus.C4_AND_WIKIPEDIA, tmp_path)
  prepare(tmp_path, "c4/en", {"train": 3, "validation": 4}, feature="body")
  with pytest.raises(ValueError, match=r"features \['body'\]; expected \['tex"):
    corpora.open_corpus(corpus)


def test_data_sets_without_a_split_are_refused(tmp_path):
  corpus = corpora.Source(corpora.Corpus.C4_AND_WIKIPEDIA, tmp_path)
  prepare(tmp_path, "c4/en", {"validation": 4})
  with pytest.raises(ValueError, match=r"splits \['validation'\]; expected"):
    corpora.open_corpus(corpus)


def test_a_folder_has_to_be_named():
  with pytest.raises(files.InputError, match=r"give --data\.source files:"):
    corpora.open_corpus(corpora.Source(corpora.Corpus.FILES))


def test_texts_of_ones_own_to_evaluate_on(tmp_path):
  for folder, count in (("train", 60), ("validation", 3)):
    (tmp_path / folder).mkdir()
    rows = (json.dumps({"text": f"{folder} {i}"}) for i in range(count))
    (tmp_path / folder / "a.jsonl").write_text("\n".join(rows))
  (train,), (held_out,) = corpora.open_corpus(
    corpora.Source(corpora.Corpus.FILES, tmp_path / "train"),
    tmp_path / "validation",
  )
  assert len(train.documents) == 60
  assert list(held_out.documents) == [b"validation %d" % i for i in range(3)]
  (prose,), (held_out,) = corpora.open_corpus(
    corpora.PYTHON_TOPICS, tmp_path / "validation" / "a.jsonl"
  )
  assert len(held_out.documents) == 3
  assert prose == corpora.open_corpus(corpora.PYTHON_TOPICS)[0][0]


def test_synthetic_texts_have_the_words_of_their_part():
  parts = corpora.open_corpus(corpora.Source(corpora.Corpus.SYNTHETIC))
  prose = corpora.open_corpus(corpora.PYTHON_TOPICS)
  for ((part,), (whole,)), count in zip(zip(parts, prose), (500, 50)):
    words = b" ".join(whole.documents).split()
    pairs = {*itertools.pairwise(words), (words[-1], words[0])}
    found = [document.split() for document in part.documents]
    assert {len(document) for document in found} == {400}
    assert len(set(part.documents)) == len(found) == count
    assert {pair for d in found for pair in itertools.pairwise(d)} <= pairs
