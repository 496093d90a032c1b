"""Runs whose disk, data, clock or numbers fail."""

import contextlib
import dataclasses
import itertools
import json
import multiprocessing
import os
import pathlib
import shutil
import signal
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.data import loader
from experiments.runs import log
from experiments.training import checkpoints as training_checkpoints
from experiments.training import checksums
from experiments.training import config as training_config
from experiments.training import losses as training_losses
from experiments.training import trainer
from tests.helpers import faulty
from tests.helpers import foreign
from tests.helpers.recipes import sums

STEPS = 12
SETTINGS = {"steps": STEPS, "eval_every": 6, "checkpoint_every": 5}


def _train(workdir, **settings):
  return trainer.train(faulty.experiment(**{**SETTINGS, **settings}), workdir)


def _rows(workdir, kind="train"):
  rows = log.read_rows(workdir / "metrics.jsonl")
  return [row for row in rows if row["kind"] == kind]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
  workdir = tmp_path_factory.mktemp("undisturbed")
  _train(workdir)
  return workdir


# --------------------------------------------------------------------- damage


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
  """A folder with the checkpoints of steps 1 and 2."""
  folder = tmp_path_factory.mktemp("damage") / "checkpoints"
  with training_checkpoints.Checkpoints(folder) as made:
    for step in (1, 2):
      made.save(step, _items(step))
  return folder


def _items(step):
  rest = {"step": jnp.int32(step), "key": jax.random.key(step)}
  return {"params": {"w": jnp.full([300], step)}, "rest": rest}


def _cut(path):
  data = path.read_bytes()
  path.write_bytes(data[: len(data) // 2])


def _flip(path):
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


def _empty(path):
  path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_cut, _flip, _empty, pathlib.Path.unlink])
def test_damage_to_any_file_is_found(checkpoints, tmp_path, damage):
  shutil.copytree(checkpoints / "2", tmp_path / "2")
  assert checksums.find_damage(tmp_path / "2") == ""
  files = [p for p in (tmp_path / "2").rglob("*") if p.is_file()]
  assert len(files) > 10
  for path in files:
    before = path.read_bytes()
    name = path.relative_to(tmp_path / "2").as_posix()
    if not before or (path.name, damage) == (
      checksums.NAME,
      pathlib.Path.unlink,
    ):
      continue
    damage(path)
    found = checksums.find_damage(tmp_path / "2")
    assert name in found or path.name == checksums.NAME, name
    assert found, name
    path.write_bytes(before)
  foreign.add(tmp_path / "2")
  (tmp_path / "2" / "notes.md").write_text("")
  assert checksums.find_damage(tmp_path / "2") == ""


def test_a_damaged_checkpoint_is_never_used(checkpoints, tmp_path):
  shutil.copytree(checkpoints, tmp_path / "c")
  largest = max(
    (p for p in (tmp_path / "c" / "2" / "params").rglob("*") if p.is_file()),
    key=lambda p: p.stat().st_size,
  )
  _flip(largest)
  targets = jax.eval_shape(lambda: _items(0))
  sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  targets = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), targets
  )
  with (
    training_checkpoints.Checkpoints(tmp_path / "c") as opened,
    pytest.warns(UserWarning, match="is not as it was written"),
  ):
    step, items = opened.restore(targets)
  assert step == 1
  np.testing.assert_array_equal(items["params"]["w"], np.ones([300]))


# -------------------------------------------------------- data, clock, numbers


class _Source:
  def __len__(self):
    return 64

  def __getitem__(self, index):
    time.sleep(0.01)
    return np.float32(index)


def _as_it_is(example, generator):
  del generator
  return {"x": example}


def test_a_data_worker_that_dies_is_named():
  split = loader.Split(_Source(), _as_it_is, "slow")
  batches = loader.train_batches(split, batch_size=4, seed=0, num_workers=2)
  with contextlib.closing(batches):
    next(batches)
    worker = multiprocessing.active_children()[0]
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(loader.WorkerError, match=r"has died.*exit code -9"):
      list(itertools.islice(batches, 1000))


def test_clocks_that_jump_change_nothing(undisturbed, tmp_path, monkeypatch):
  jumps = iter(range(10**6))
  year = 365.0 * 86400
  now = time.time
  monkeypatch.setattr(
    time, "time", lambda: max(0.0, now() + (-1) ** next(jumps) * 3 * year)
  )
  _train(tmp_path)
  assert faulty.contents(tmp_path) == faulty.contents(undisturbed)


def test_checkpoints_in_the_background_change_nothing(undisturbed, tmp_path):
  settings = {"checkpoint_every": 1, "keep": 5}
  _train(tmp_path, checkpoint_in_background=True, **settings)
  assert faulty.contents(tmp_path) == faulty.contents(undisturbed)
  folder = tmp_path / "checkpoints"
  found = sorted(int(path.name) for path in folder.iterdir())
  assert found == [8, 9, 10, 11, 12]
  for step in found:
    assert (folder / str(step) / checksums.NAME).exists()
  # Step 12 made again from what was written while step 9 was computed.
  for step in found[1:]:
    shutil.rmtree(folder / str(step))
  (tmp_path / "model.safetensors").unlink()
  _train(tmp_path)
  assert faulty.contents(tmp_path) == faulty.contents(undisturbed)


def _poisoned(workdir, policy, num_train=48):
  data = sums.DataConfig(poisoned=True, num_train=num_train)
  settings = {**SETTINGS, "non_finite": policy}
  broken = faulty.experiment(**settings)
  return trainer.train(dataclasses.replace(broken, data=data), workdir)


def test_a_non_finite_loss_stops_and_keeps_the_batch(tmp_path):
  with pytest.raises(training_losses.NonFiniteError) as caught:
    _poisoned(tmp_path, training_config.NonFinite.STOP)
  (path,) = (tmp_path / "non_finite").iterdir()
  assert f"The step's batch is in {path}" in str(caught.value)
  with np.load(path) as kept:
    step = int(kept["step"])
    assert path.name == f"step-{step}.npz"
    assert f"is not a finite number at step {step}." in str(caught.value)
    assert kept["inputs"].shape == (8, 4)
    assert not np.all(np.isfinite(kept["inputs"]))


def test_non_finite_steps_are_skipped_and_counted(tmp_path):
  report = _poisoned(tmp_path, training_config.NonFinite.SKIP)
  assert np.isfinite(report.evaluation.metrics["loss"])
  skipped = [row["skipped_steps"] for row in _rows(tmp_path)]
  assert sum(skipped) == 2  # once in either epoch of six steps
  assert max(skipped) < 3


def test_a_run_that_skips_all_steps_stops(tmp_path):
  with pytest.raises(
    training_losses.NonFiniteError, match="is not a finite number at step 1"
  ):
    _poisoned(tmp_path, training_config.NonFinite.SKIP, num_train=1)


# --------------------------------------------------------------- accumulation


def test_parts_of_a_batch_add_up(tmp_path, monkeypatch):
  losses = sums.Task.losses

  def calm(self, variables, batch, *, rng, is_training):
    del rng  # Dropout would differ between the parts.
    return losses(self, variables, batch, rng=None, is_training=is_training)

  monkeypatch.setattr(sums.Task, "losses", calm)
  for accumulate in (1, 2):
    _train(tmp_path / str(accumulate), accumulate=accumulate, log_every=1)
  whole, parts = (_rows(tmp_path / name) for name in "12")
  for a, b in zip(whole, parts, strict=True):
    del a["kind"], b["kind"]
    assert a == pytest.approx(b, rel=1e-5, abs=1e-6)
  assert (
    json.loads((tmp_path / "2" / "config.json").read_text())["train"][
      "accumulate"
    ]
    == 2
  )


def test_parts_that_do_not_divide_are_refused(tmp_path):
  with pytest.raises(ValueError, match="4 devices in 3 parts; 12 does"):
    _train(tmp_path / "run", accumulate=3)
  assert not (tmp_path / "run").exists()
