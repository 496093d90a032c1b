"""The prose that ships with Python, split."""

import re
import sys

from experiments.data import python_topics


def paragraphs(documents):
  return {
    " ".join(part.split())
    for document in documents
    for part in re.split(r"\n[ \t]*\n", document.decode())
    if part.strip()
  }


def test_a_tenth_of_the_topics_is_held_out():
  train, held_out = (
    python_topics.documents(False),
    python_topics.documents(True),
  )
  assert not set(train) & set(held_out)
  assert any(text.startswith(b"String and Bytes lit") for text in held_out)
  assert any(text.startswith(b"Lambdas\n") for text in train)
  assert 0.08 < len(held_out) / (len(train) + len(held_out)) < 0.16
  if sys.version_info[:2] == (3, 11):
    assert (len(train), len(held_out)) == (69, 10)


def test_both_sides_have_enough_text():
  train, held_out = (
    python_topics.documents(False),
    python_topics.documents(True),
  )
  assert 300_000 < sum(map(len, train)) < 1_500_000
  assert 30_000 < sum(map(len, held_out)) < 300_000
  assert all(document.strip() for document in train + held_out)


def test_no_paragraph_is_on_both_sides():
  train, held_out = (
    paragraphs(python_topics.documents(side)) for side in (0, 1)
  )
  assert len(train) > 1000
  assert not train & held_out
