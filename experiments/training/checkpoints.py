"""Checkpoints on disk; the only file that uses Orbax.

A checkpoint is a folder named after its step with one item for each part of
the state, so that parameters can be read without the optimizer's. It appears
under its name only when it is complete.
"""

from collections.abc import Callable, Mapping
import contextlib
import functools
import pathlib
from typing import Any
import warnings

import jax
import orbax.checkpoint as ocp

from experiments.cluster import processes
from experiments.runs import folder as run_folder
from experiments.runs import occupancy
from experiments.runs import progress
from experiments.training import checksums
from experiments.training import silence
from experiments.training import tree_shapes
from perceiver import errors

_ITEMS = ("params", "state", "opt_state", "rest")


class MismatchError(errors.PerceiverError, ValueError):
  """A checkpoint is intact, but of another model than the expected one."""


class DamagedError(errors.PerceiverError, RuntimeError):
  """There are checkpoints, but they cannot be read."""


class _DamageFound(Exception):
  """A checkpoint cannot be read, perhaps because it is being removed."""


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
    keep_every: int | None = None,
    read_only: bool = False,
    in_background: bool = False,
  ) -> None:
    """Opens a folder of checkpoints.

    Args:
      directory: where they are; made on the first save.
      keep: how many are kept, the newest ones.
      keep_every: those of every so many steps are kept, too.
      read_only: leave every file as it is; a run may write there meanwhile.
        Else what a killed run left unfinished is removed, and `restore` moves
        damaged checkpoints aside.
      in_background: whether `save` returns before the files are complete.
    """
    self.directory = directory.absolute()
    self._read_only = read_only
    self._in_background = in_background
    self._unsealed: int | None = None
    self._intact: set[int] = set()  # not to be read twice for checksums
    self._handlers = {n: ocp.StandardCheckpointHandler() for n in _ITEMS}
    self._silence = silence.Silence()
    self._manager: Any = None
    if not read_only:
      self._place = run_folder.Place(self.directory.parent)
      options = ocp.CheckpointManagerOptions(
        max_to_keep=keep,
        keep_period=keep_every,
        save_interval_steps=1,
        cleanup_tmp_directories=True,
        enable_async_checkpointing=in_background,
      )
      self._manager = ocp.CheckpointManager(
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
    if manager is not None:
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
    reason = silence.reason(error)
    intact = [s for s in self._found() if s != step]
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
    return list(processes.from_process_zero(self._found))

  def _found(self) -> list[int]:
    if not self._read_only:
      self._place.check()
    return run_folder.checkpoint_steps(self.directory)

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
    self, targets: Mapping[str, Any], step: int | None = None
  ) -> tuple[int, dict[str, Any]] | None:
    """Reads the newest checkpoint that is intact.

    Args:
      targets: for each item wanted a tree of `jax.ShapeDtypeStruct` with
        shardings, of whatever devices there are now.
      step: read this one and no other, if it is given.

    Returns:
      The step and the items, or None if there is no such checkpoint at all.

    Warns:
      UserWarning: for each damaged checkpoint, with its name.

    Raises:
      MismatchError: if the newest readable checkpoint is of another model.
      DamagedError: if no checkpoint can be read, or the newest cannot for
        another reason than damage.
    """
    tried, damaged = list[int](), list[int]()
    while left := [s for s in self.steps() if s not in tried]:
      chosen = left[-1] if step is None else step
      if chosen not in left:
        break
      tried.append(chosen)
      try:
        self._check_intact(chosen)
        return chosen, self._read(chosen, left[-1], targets)
      except _DamageFound as found:
        if self._is_removed(chosen, left[-1]):
          if not jax.process_index():
            progress.write(
              f"The checkpoint of step {chosen} was removed while it was read."
            )
          continue
        self._report_damage(chosen, str(found))
        damaged.append(chosen)
    if damaged:
      raise DamagedError(
        f"None of the checkpoints {sorted(damaged)} in {self.directory} can be "
        f"read.{run_folder.RESTART * (not self._read_only)}"
      )
    return None

  def _is_removed(self, step: int, newest: int) -> bool:
    """Returns whether a run has removed a checkpoint, or does so just now.

    Args:
      step: of the checkpoint.
      newest: the newest one that there was when it was chosen.
    """
    now, run = self.steps(), self.directory.parent
    if not self._read_only or step in now[-1:]:
      return False
    is_going_on = functools.partial(occupancy.is_occupied, run)
    return (
      step not in now
      or now[-1] > newest
      or bool(processes.from_process_zero(is_going_on))
    )

  def _check_intact(self, step: int) -> None:
    """Raises `_DamageFound`, before Orbax takes what it gets for numbers."""
    if step in self._intact:
      return
    folder = self.directory / str(step)
    find = functools.partial(checksums.find_damage, folder)
    if problem := processes.from_process_zero(find):
      raise _DamageFound(problem)
    self._intact.add(step)

  def _read(
    self, step: int, newest: int, targets: Mapping[str, Any]
  ) -> dict[str, Any]:
    folder = self.directory / str(step)
    try:
      with checksums.without_foreign_files(folder) as intact:
        return self._restore_step(step, intact, targets)
    except MismatchError:
      raise
    except Exception as error:  # Orbax has no type of its own for damage.
      if processes.is_running():
        raise  # The others may have found nothing wrong.
      reason = f"{type(error).__name__}: " + str(error).split("\n")[0][:200]
      is_removed = self._is_removed(step, newest)
      if checksums.exist(folder) and not is_removed:
        raise DamagedError(
          f"The checkpoint of step {step} in {self.directory} is as it was "
          f"written, and cannot be read: {reason}"
        ) from error
      raise _DamageFound(reason) from error

  def _restore_step(
    self, step: int, folder: pathlib.Path, targets: Mapping[str, Any]
  ) -> dict[str, Any]:
    # Orbax's manager would take any folder beside the parts for one of them.
    wanted = {n: tree for n, tree in targets.items() if jax.tree.leaves(tree)}
    for name in sorted(wanted, key=_ITEMS.index):
      if not (folder / name).is_dir():
        raise OSError(f"the part {name!r} is missing")
      metadata = self._handlers[name].metadata(folder / name)
      saved = tree_shapes.shapes(metadata.tree)
      self._check(step, name, saved, tree_shapes.shapes(wanted[name]))
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
      path = processes.from_process_zero(lambda: self._move_aside(step))
      outcome = f"was moved to {path}"
      self._manager.reload()
    warnings.warn(
      f"The checkpoint of step {step} in {self.directory} is damaged "
      f"({reason}); it {outcome}, and an older one is used if there is one.",
      stacklevel=3,
    )

  def _move_aside(self, step: int) -> str:
    aside = self.directory.parent / run_folder.DAMAGED
    path = run_folder.unused(aside / str(step))
    path.parent.mkdir(exist_ok=True)
    (self.directory / str(step)).rename(path)
    return str(path)
