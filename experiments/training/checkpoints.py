"""Checkpoints on disk; the only file that uses Orbax.

A checkpoint is a folder named after its step with one item for each part of
the state, so that parameters can be read without the optimizer's. It appears
under its name only when it is complete.
"""

from collections.abc import Callable, Mapping
import contextlib
import functools
import os
import pathlib
import re
from typing import Any
import warnings

import jax
import orbax.checkpoint as ocp

from experiments.cluster import processes
from experiments.runs import folder as run_folder
from experiments.training import checksums
from experiments.training import silence
from perceiver import errors

_ITEMS = ("params", "state", "opt_state", "rest")


class MismatchError(errors.PerceiverError, ValueError):
  """A checkpoint is intact, but of another model than the expected one."""


class DamagedError(errors.PerceiverError, RuntimeError):
  """There are checkpoints, but they cannot be read."""


class SaveError(errors.PerceiverError, RuntimeError):
  """A checkpoint could not be written."""


class Checkpoints:
  """The checkpoints of one run, to be closed after use.

  In a run of several processes all of them do the same at the same time.

  Attributes:
    directory: the folder with one folder per step.
  """

  def __init__(
    self,
    directory: pathlib.Path,
    *,
    keep: int = 3,
    read_only: bool = False,
    in_background: bool = False,
  ) -> None:
    """Opens a folder of checkpoints.

    Args:
      directory: where they are; made on the first save.
      keep: how many are kept, the newest ones.
      read_only: leave every file as it is. Else what a killed run left
        unfinished is removed, and `restore` moves damaged checkpoints aside.
      in_background: whether `save` returns before the files are complete.
    """
    self.directory = directory.absolute()
    self._read_only = read_only
    self._in_background = in_background
    self._unsealed: int | None = None
    options = ocp.CheckpointManagerOptions(
      max_to_keep=None if read_only else keep,
      save_interval_steps=0 if read_only else 1,
      create=not read_only,
      read_only=read_only,
      cleanup_tmp_directories=not read_only,
      enable_async_checkpointing=in_background,
    )
    self._handlers = {n: ocp.StandardCheckpointHandler() for n in _ITEMS}
    self._silence = silence.Silence()
    self._manager: Any = ocp.CheckpointManager(
      self.directory, options=options, item_handlers=self._handlers
    )

  def __enter__(self) -> "Checkpoints":
    return self

  def __exit__(self, kind: object, *unused: object) -> None:
    if kind is not None:  # The first error is the one to report.
      with contextlib.suppress(Exception):
        self._close_manager()
        silence.free()
      return
    try:
      self.wait()
    finally:
      self.close()

  def close(self) -> None:
    """Lets go of threads and files, once they are written."""
    self._close_manager()
    self._silence.end()

  def _close_manager(self) -> None:
    manager, self._manager = self._manager, None
    manager.close()

  def wait(self) -> None:
    """Returns when all that was saved is complete on disk.

    Raises:
      SaveError: if it could not be written.
    """
    step, self._unsealed = self._unsealed, None
    if step is not None:
      self._raising_save_error(step, lambda: self._complete(step))

  def _complete(self, step: int) -> None:
    self._manager.wait_until_finished()
    # What a process does that fails alone must not leave others waiting.
    processes.on_process_zero(lambda: self._seal(step))

  def _seal(self, step: int) -> None:
    checksums.write(self.directory / str(step))
    run_folder.note_checkpoint(self.directory.parent)

  def _raising_save_error(self, step: int, action: Callable[[], None]) -> None:
    failure: SaveError | None = None
    try:
      action()
    except Exception as error:  # Orbax and TensorStore have many.
      failure = self._save_error(step, error)
    if failure is not None:  # The error and what it holds are gone.
      silence.free()
      self._unsealed = None
      raise failure

  def _save_error(self, step: int, error: Exception) -> SaveError:
    reason = _reason(error)
    intact = [s for s in self.steps() if s != step]
    return SaveError(
      f"The checkpoint of step {step} cannot be written in {self.directory}: "
      f"{reason}. "
      + (
        f"That of step {intact[-1]} is intact."
        if intact
        else "There is no other."
      )
    )

  def steps(self) -> list[int]:
    """Returns the steps of which there are checkpoints, oldest first."""
    return sorted(self._manager.all_steps())

  def save(self, step: int, items: Mapping[str, Any]) -> None:
    """Writes a checkpoint; when this returns it is complete on disk.

    Or it will be, if it is written in the background; the one before is. The
    arrays may be given up in either case.

    Args:
      step: steps made so far; does nothing if this checkpoint exists.
      items: "params", "state", "opt_state" and "rest", trees of arrays.

    Raises:
      SaveError: if it, or the one before, could not be written.
    """
    self.wait()
    if step in self.steps():
      return
    args = {
      name: ocp.args.StandardSave(tree)
      for name, tree in items.items()
      if jax.tree.leaves(tree)  # Orbax has no notion of an empty tree.
    }
    self._unsealed = step
    self._raising_save_error(
      step,
      lambda: self._manager.save(step, args=ocp.args.Composite(**args)),
    )
    if not self._in_background:
      self.wait()

  def restore(
    self, targets: Mapping[str, Any]
  ) -> tuple[int, dict[str, Any]] | None:
    """Reads the newest checkpoint that is intact.

    Args:
      targets: for each item wanted a tree of `jax.ShapeDtypeStruct` with
        shardings, of whatever devices there are now.

    Returns:
      The step and the items, or None if there is no checkpoint at all.

    Warns:
      UserWarning: for each damaged checkpoint, with its name.

    Raises:
      MismatchError: if the newest readable checkpoint is of another model.
      DamagedError: if no checkpoint can be read, or the newest cannot for
        another reason than damage.
    """
    steps = self.steps()
    for step in reversed(steps):
      # Found before Orbax reads, which takes what it gets for numbers.
      folder = self.directory / str(step)
      damage = functools.partial(checksums.find_damage, folder)
      if problem := processes.from_process_zero(damage):
        self._report_damage(step, problem)
        continue
      try:
        with checksums.without_foreign_files(folder) as intact:
          return step, self._restore_step(step, intact, targets)
      except MismatchError:
        raise
      except Exception as error:  # Orbax has no type of its own for damage.
        if processes.is_running():
          raise  # The others may have found nothing wrong.
        reason = f"{type(error).__name__}: " + str(error).split("\n")[0][:200]
        if checksums.exist(folder):
          raise DamagedError(
            f"The checkpoint of step {step} in {self.directory} is as it was "
            f"written, and cannot be read: {reason}"
          ) from error
        self._report_damage(step, reason)
    if steps:
      raise DamagedError(
        f"None of the checkpoints {steps} in {self.directory} can be read."
        + run_folder.RESTART * (not self._read_only)
      )
    return None

  def _restore_step(
    self, step: int, folder: pathlib.Path, targets: Mapping[str, Any]
  ) -> dict[str, Any]:
    # Orbax's manager would take any folder beside the parts for one of them.
    wanted = {n: tree for n, tree in targets.items() if jax.tree.leaves(tree)}
    for name in sorted(wanted, key=_ITEMS.index):
      if not (folder / name).is_dir():
        raise OSError(f"the part {name!r} is missing")
      saved = _shapes(self._handlers[name].metadata(folder / name).tree)
      self._check(step, name, saved, _shapes(wanted[name]))
    restored = {
      name: self._handlers[name].restore(
        folder / name, args=ocp.args.StandardRestore(tree)
      )
      for name, tree in wanted.items()
    }
    return {**targets, **restored}

  def _check(
    self,
    step: int,
    item: str,
    saved: Mapping[str, tuple[int, ...]],
    wanted: Mapping[str, tuple[int, ...]],
  ) -> None:
    for name in sorted({*saved, *wanted}):
      if saved.get(name) != wanted.get(name):
        raise MismatchError(
          f"The checkpoint {self.directory / str(step)} is of another model "
          f"or optimizer: in {item!r} the first difference is {name!r}, of "
          f"shape {saved.get(name, 'absent')} in the checkpoint and "
          f"{wanted.get(name, 'absent')} in the model. Use the "
          "configuration that the run was started with, or another folder."
        )

  def _report_damage(self, step: int, reason: str) -> None:
    outcome = "is left where it is"
    if not self._read_only:
      aside = self.directory.parent / run_folder.DAMAGED
      path = run_folder.unused(aside / str(step))
      outcome = f"was moved to {path}"
      processes.on_process_zero(lambda: self._move(step, path))
      self._manager.reload()
    warnings.warn(
      f"The checkpoint of step {step} in {self.directory} is damaged "
      f"({reason}); it {outcome}, and an older one is used if there is one.",
      stacklevel=3,
    )

  def _move(self, step: int, path: pathlib.Path) -> None:
    path.parent.mkdir(exist_ok=True)
    (self.directory / str(step)).rename(path)


def _reason(error: Exception) -> str:
  """Returns the operating system's reason for an error, if it has one."""
  number = re.search(r"os_error_code='(\d+)'", str(error))
  if number:
    return os.strerror(int(number[1]))
  if isinstance(error, OSError):
    return errors.reason(error)
  return next(iter(str(error).splitlines()), type(error).__name__)[:300]


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
  """Returns {path: shape} of the arrays in a tree or in its description."""
  leaves = jax.tree_util.tree_leaves_with_path(
    tree, is_leaf=lambda x: hasattr(x, "shape")
  )
  name = lambda path: " / ".join(_key_name(key) for key in path)
  return {
    name(path): _shape(leaf) for path, leaf in leaves if hasattr(leaf, "shape")
  }


def _shape(leaf: Any) -> tuple[int, ...]:
  dtype = getattr(leaf, "dtype", None)
  if dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
    leaf = jax.eval_shape(jax.random.key_data, leaf)  # as Orbax stores it
  return tuple(leaf.shape)


def _key_name(key: Any) -> str:
  for attribute in ("key", "name", "idx"):
    if hasattr(key, attribute):
      return str(getattr(key, attribute))
  return str(key)
