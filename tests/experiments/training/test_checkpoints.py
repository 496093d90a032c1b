"""Checkpoints: exact, atomic, on any devices, and honest about damage."""

import contextlib
import logging
import os
import pathlib
import shutil
import warnings

import chex
import jax
import jax.numpy as jnp
import pytest

from experiments.runs import folder
from experiments.training import checkpoints as training_checkpoints
from experiments.training import checksums
from experiments.training import sharding

Config = sharding.ParallelConfig
# Orbax reads the parts of a checkpoint side by side; when one of them fails,
# the others may find their event loop closed.
AMID_DAMAGE = pytest.mark.filterwarnings(
  "ignore::pytest.PytestUnraisableExceptionWarning"
)


def _items(value=1.0, channels=4, config=None):
  mesh = sharding.make_mesh(config or Config())
  params = {"tiny/linear": {"w": jnp.full((channels, 2), value)}}
  items = {
    "params": params,
    "state": {},
    "opt_state": (jnp.int32(3), params),
    "rest": {"step": jnp.int32(7), "key": jax.random.key(5)},
  }
  return jax.device_put(items, _shardings(items, mesh))


def _shardings(items, mesh):
  return sharding.state_shardings(mesh, items, min_size=1)


def _targets(config=None, **kwargs):
  items = _items(**kwargs)
  shardings = _shardings(items, sharding.make_mesh(config or Config()))
  return jax.tree.map(
    lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s),
    items,
    shardings,
  )


def _damage(directory):
  """Cuts every file of the parameters in half."""
  for path in (directory / "params").rglob("*"):
    if path.is_file() and path.parent.name == "d":
      path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture
def directory(tmp_path):
  """A folder with the checkpoints of steps 1, 2 and 3, filled with these."""
  with training_checkpoints.Checkpoints(
    tmp_path / "checkpoints"
  ) as checkpoints:
    for step in (1, 2, 3):
      checkpoints.save(step, _items(float(step)))
  return tmp_path / "checkpoints"


def _assert_same(found, expected):
  def plain(x):
    is_key = jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(x) if is_key else x

  chex.assert_trees_all_equal(
    jax.tree.map(plain, found), jax.tree.map(plain, expected)
  )


def test_nothing_to_restore(tmp_path):
  with training_checkpoints.Checkpoints(tmp_path / "none") as checkpoints:
    assert checkpoints.restore(_targets()) is None


@pytest.mark.parametrize(
  "config", [Config(), Config(data=1), Config(fsdp=4), Config(data=1, fsdp=2)]
)
def test_restores_exactly_on_any_devices(directory, config):
  targets = _targets(config)
  with training_checkpoints.Checkpoints(directory) as checkpoints:
    step, items = checkpoints.restore(targets)
  assert step == 3
  _assert_same(items, _items(3.0))
  w = items["params"]["tiny/linear"]["w"]
  assert w.sharding == targets["params"]["tiny/linear"]["w"].sharding


def test_parameters_alone(directory):
  wanted = {"params": _targets()["params"]}
  with training_checkpoints.Checkpoints(
    directory, read_only=True
  ) as checkpoints:
    step, items = checkpoints.restore(wanted)
  assert step == 3
  assert list(items) == ["params"]


def test_reading_alone_warns_of_nothing(directory, caplog):
  # absl's records do not reach others' handlers unless told to.
  logger = logging.getLogger("absl")
  logger.addHandler(caplog.handler)
  try:
    with training_checkpoints.Checkpoints(directory, read_only=True):
      pass
  finally:
    logger.removeHandler(caplog.handler)
  assert not caplog.records


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_folder_that_was_moved_is_not_made_again(tmp_path, is_replaced):
  run = tmp_path / "run"
  run.mkdir()
  with training_checkpoints.Checkpoints(run / "checkpoints") as checkpoints:
    checkpoints.save(1, _items())
    run.rename(tmp_path / "aside")
    if is_replaced:
      run.mkdir()
    with pytest.raises(folder.MovedError, match="was moved, removed or repl"):
      checkpoints.save(2, _items())
  assert not list(tmp_path.glob("run/*"))
  assert [p.name for p in (tmp_path / "aside/checkpoints").iterdir()] == ["1"]


def test_only_the_newest_are_kept(tmp_path):
  with training_checkpoints.Checkpoints(tmp_path / "c", keep=2) as checkpoints:
    for step in (1, 2, 3):
      checkpoints.save(step, _items())
    assert checkpoints.steps() == [2, 3]


def test_every_nth_is_kept_beside_the_newest(tmp_path):
  with training_checkpoints.Checkpoints(
    tmp_path / "c", keep=2, keep_every=2
  ) as checkpoints:
    for step in range(1, 7):
      checkpoints.save(step, _items())
    assert checkpoints.steps() == [2, 4, 5, 6]


def test_one_of_several_is_read(directory):
  with training_checkpoints.Checkpoints(
    directory, read_only=True
  ) as checkpoints:
    step, items = checkpoints.restore(_targets(), 2)
    assert checkpoints.restore(_targets(), 4) is None
  assert step == 2
  _assert_same(items, _items(2.0))


def _remove(directory):
  """Removes the newest checkpoint."""
  shutil.rmtree(directory / "3")


def _prune(directory):
  """Removes a part of the newest checkpoint, of which there is a newer one."""
  shutil.copytree(directory / "2", directory / "4")
  shutil.rmtree(directory / "3" / "params")


@pytest.mark.parametrize("lose", [_remove, _prune])
@pytest.mark.parametrize("moment", ["checksums", "restoring"])
def test_a_checkpoint_may_be_removed_while_it_is_read(
  directory, monkeypatch, capsys, recwarn, lose, moment
):
  owner, name = {
    "checksums": (checksums, "find_damage"),
    "restoring": (
      training_checkpoints.ocp.StandardCheckpointHandler,
      "restore",
    ),
  }[moment]
  original = getattr(owner, name)
  lost = []

  def losing(*args, **kwargs):
    if not lost:
      lost.append(lose(directory))
    return original(*args, **kwargs)

  monkeypatch.setattr(owner, name, losing)
  with training_checkpoints.Checkpoints(
    directory, read_only=True
  ) as checkpoints:
    step, items = checkpoints.restore(_targets())
  assert step == (4 if lose is _prune else 2)
  _assert_same(items, _items(2.0))
  said = "The checkpoint of step 3 was removed while it was read."
  assert said in capsys.readouterr().err
  assert not [w for w in recwarn if "damaged" in str(w.message)]


def test_the_one_that_was_asked_for_may_be_removed(directory, monkeypatch):
  find = checksums.find_damage
  monkeypatch.setattr(
    checksums, "find_damage", lambda folder: _remove(directory) or find(folder)
  )
  with training_checkpoints.Checkpoints(
    directory, read_only=True
  ) as checkpoints:
    assert checkpoints.restore(_targets(), 3) is None


def test_what_is_listed_outlives_a_loss_of_power(tmp_path, monkeypatch):
  synced, sync = [], os.fsync

  def spy(descriptor):
    synced.append(pathlib.Path(os.readlink(f"/proc/self/fd/{descriptor}")))
    sync(descriptor)

  monkeypatch.setattr(os, "fsync", spy)
  (tmp_path / "metrics.jsonl").touch()
  directory = tmp_path / "checkpoints"
  with training_checkpoints.Checkpoints(directory) as checkpoints:
    checkpoints.save(1, _items())
  made = {*(directory / "1").rglob("*")} - {directory / "1" / checksums.NAME}
  assert {p.name for p in made} > {"params", "manifest.ocdbt", "d"}
  is_list = [p.suffix == ".json" and p.parent.name == "1" for p in synced]
  before = set(synced[: is_list.index(True)])
  assert before >= {*made, directory / "1", directory}
  last = synced[is_list.index(True) :]
  assert {directory / "1", tmp_path / "metrics.jsonl", tmp_path} <= set(last)


def test_checksums_are_computed_once(directory, monkeypatch):
  find, seen = checksums.find_damage, []
  monkeypatch.setattr(
    checksums, "find_damage", lambda folder: seen.append(folder) or find(folder)
  )
  with training_checkpoints.Checkpoints(directory) as checkpoints:
    for channels in (8, 4):
      with contextlib.suppress(training_checkpoints.MismatchError):
        step, _ = checkpoints.restore(_targets(channels=channels))
  assert step == 3
  assert seen == [directory / "3"]


def test_saving_a_step_twice_keeps_the_first(directory):
  with training_checkpoints.Checkpoints(directory) as checkpoints:
    checkpoints.save(3, _items(9.0))
    assert (
      checkpoints.restore(_targets())[1]["params"]["tiny/linear"]["w"].max()
      == 3
    )


@AMID_DAMAGE
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(directory):
  _damage(directory / "3")
  with training_checkpoints.Checkpoints(directory) as checkpoints:
    with pytest.warns(UserWarning, match="step 3 .* is damaged"):
      step, items = checkpoints.restore(_targets())
    assert step == 2
    _assert_same(items, _items(2.0))
    assert (directory.parent / "checkpoints-damaged" / "3").is_dir()
    checkpoints.save(3, _items(3.5))
    assert checkpoints.steps() == [1, 2, 3]
    _assert_same(checkpoints.restore(_targets())[1], _items(3.5))


@AMID_DAMAGE
@pytest.mark.parametrize(
  ("sealed", "words"), [(True, "opt_state/"), (False, "the part 'opt_state'")]
)
def test_a_missing_part_is_damage(directory, sealed, words):
  shutil.rmtree(directory / "3" / "opt_state")
  if not sealed:  # as by a program that was killed just then
    (directory / "3" / checksums.NAME).unlink()
  with (
    training_checkpoints.Checkpoints(directory) as checkpoints,
    pytest.warns(UserWarning, match=f"{words}.* is missing"),
  ):
    assert checkpoints.restore(_targets())[0] == 2


@AMID_DAMAGE
def test_reading_only_moves_nothing(directory):
  _damage(directory / "3")
  with (
    training_checkpoints.Checkpoints(directory, read_only=True) as checkpoints,
    pytest.warns(UserWarning, match="is left where it is"),
  ):
    assert checkpoints.restore(_targets())[0] == 2
  assert (directory / "3").is_dir()


@AMID_DAMAGE
def test_nothing_but_damage_is_an_error(directory):
  for step in "123":
    _damage(directory / step)
  with (
    training_checkpoints.Checkpoints(directory) as checkpoints,
    warnings.catch_warnings(),
  ):
    warnings.simplefilter("ignore")
    with pytest.raises(training_checkpoints.DamagedError, match=r"\[1, 2, 3\]"):
      checkpoints.restore(_targets())


def test_a_checkpoint_of_another_model_is_refused_and_stays(directory):
  with training_checkpoints.Checkpoints(directory) as checkpoints:
    with pytest.raises(training_checkpoints.MismatchError) as caught:
      checkpoints.restore(_targets(channels=8))
    assert checkpoints.steps() == [1, 2, 3]
  message = str(caught.value)
  assert "'tiny/linear / w'" in message
  assert "(4, 2) in the checkpoint" in message
  assert "(8, 2) in the model" in message
  assert "\n" not in message
