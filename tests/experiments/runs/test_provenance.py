"""Where a run comes from."""

import dataclasses
import json

import numpy as np
import pytest

from experiments.data import loader
from experiments.runs import provenance
from tests.helpers.recipes import sums


def _as_it_is(example, generator):
  del generator
  return {"x": np.float32(example)}


def _split(*values, name="some"):
  return loader.Split(values, _as_it_is, name)


def _record(workdir, *splits, first_step=0):
  return provenance.record(
    workdir,
    sums.MINI,
    devices={"kind": "cpu"},
    first_step=first_step,
    splits=splits,
  )


def test_every_start_is_recorded(tmp_path):
  for step in (0, 20):
    assert not _record(tmp_path, _split(1, 2), first_step=step)
  starts = json.loads((tmp_path / "provenance.json").read_text())
  assert starts == provenance.read(tmp_path)
  assert [start["first_step"] for start in starts] == [0, 20]
  assert starts[0]["versions"]["jax"]
  assert starts[0]["devices"] == {"kind": "cpu"}
  assert (starts[0]["experiment"], starts[0]["seed"]) == (
    "tests.helpers.recipes.sums",
    0,
  )
  assert starts[0]["data"]["some"]["examples"] == 2


def test_other_examples_are_noticed(tmp_path):
  before = _split(*range(10)), _split(1, name="other")
  assert not _record(tmp_path, *before)
  assert not _record(tmp_path, *before)
  longer = _split(*range(11))
  assert _record(tmp_path, longer, before[1]) == ["some"]
  # Of ten examples the first, the last, and two between are looked at.
  changed = _split(*range(9), 7)
  assert _record(tmp_path, changed, before[1]) == ["some"]
  renamed = dataclasses.replace(changed, name="new")
  assert not _record(tmp_path, renamed)


@pytest.mark.parametrize("text", ["[", "{}", "5", "[" * 100_000, '["a"]'])
def test_a_record_that_cannot_be_read_is_none(tmp_path, text):
  (tmp_path / "provenance.json").write_text(text)
  assert provenance.read(tmp_path) == []


def test_move_to_another_kind_of_device(tmp_path):
  now = {"platform": "gpu", "kind": "NVIDIA H100"}
  assert provenance.describe_move(tmp_path, now) == ""
  for stored in ({}, {"devices": 1}, {"devices": now}):
    (tmp_path / provenance.NAME).write_text(json.dumps([stored]))
    assert provenance.describe_move(tmp_path, now) == ""
  before = {"devices": {"platform": "cpu", "kind": "cpu"}}
  (tmp_path / provenance.NAME).write_text(json.dumps([before]))
  message = provenance.describe_move(tmp_path, now)
  assert "was computed on cpu, and goes on with NVIDIA H100" in message
