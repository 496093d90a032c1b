"""Checkpoints on disk; the only file that knows Orbax.

A checkpoint is a folder named after its step with one item for each part of
the state, so that parameters can be read without the optimizer's. It appears
under its name only when it is complete.
"""

from collections.abc import Mapping
import pathlib
from typing import Any
import warnings

import jax
import orbax.checkpoint as ocp

_ITEMS = ("params", "state", "opt_state", "rest")
_DAMAGED = "damaged"


class MismatchError(ValueError):
  """A checkpoint is intact, but of another model than the one at hand."""


class DamagedError(RuntimeError):
  """There are checkpoints, but none of them can be read."""


class Checkpoints:
  """The checkpoints of one run, to be closed after use.

  Attributes:
    directory: the folder with one folder per step.
  """

  def __init__(
    self, directory: pathlib.Path, *, keep: int = 3, read_only: bool = False
  ) -> None:
    """Opens a folder of checkpoints.

    Args:
      directory: where they are; made on the first save.
      keep: how many are kept, the newest ones.
      read_only: leave every file as it is. Else what a killed run left
        unfinished is removed, and `restore` moves damaged checkpoints aside.
    """
    self.directory = directory.absolute()
    self._read_only = read_only
    options = ocp.CheckpointManagerOptions(
      max_to_keep=None if read_only else keep,
      save_interval_steps=0 if read_only else 1,
      create=not read_only,
      read_only=read_only,
      cleanup_tmp_directories=not read_only,
      enable_async_checkpointing=False,
    )
    handlers = {name: ocp.StandardCheckpointHandler() for name in _ITEMS}
    self._manager = ocp.CheckpointManager(
      self.directory, options=options, item_handlers=handlers
    )

  def __enter__(self) -> "Checkpoints":
    return self

  def __exit__(self, *unused: object) -> None:
    self.close()

  def close(self) -> None:
    """Lets go of threads and files."""
    self._manager.close()

  def steps(self) -> list[int]:
    """Returns the steps of which there are checkpoints, oldest first."""
    return sorted(self._manager.all_steps())

  def save(self, step: int, items: Mapping[str, Any]) -> None:
    """Writes a checkpoint; when this returns it is complete on disk.

    Args:
      step: steps made so far; does nothing if this checkpoint exists.
      items: "params", "state", "opt_state" and "rest", trees of arrays.
    """
    if step in self.steps():
      return
    args = {
      name: ocp.args.StandardSave(tree)
      for name, tree in items.items()
      if jax.tree.leaves(tree)  # Orbax has no notion of an empty tree.
    }
    self._manager.save(step, args=ocp.args.Composite(**args))
    self._manager.wait_until_finished()

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
      DamagedError: if no checkpoint can be read.
    """
    steps = self.steps()
    for step in reversed(steps):
      try:
        return step, self._restore_step(step, targets)
      except MismatchError:
        raise
      except Exception as error:  # Orbax has no type of its own for damage.
        self._report_damage(step, error)
    if steps:
      raise DamagedError(
        f"None of the checkpoints {steps} in {self.directory} can be read."
      )
    return None

  def _restore_step(
    self, step: int, targets: Mapping[str, Any]
  ) -> dict[str, Any]:
    metadata = self._manager.item_metadata(step)
    wanted = {n: tree for n, tree in targets.items() if jax.tree.leaves(tree)}
    for name in sorted(wanted, key=_ITEMS.index):
      if name not in metadata or metadata[name] is None:
        raise OSError(f"the part {name!r} is missing")
      saved = _shapes(metadata[name].tree)
      self._check(step, name, saved, _shapes(wanted[name]))
    args = {name: ocp.args.StandardRestore(t) for name, t in wanted.items()}
    restored = self._manager.restore(step, args=ocp.args.Composite(**args))
    return {n: restored[n] if n in wanted else t for n, t in targets.items()}

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
          f"{wanted.get(name, 'absent')} in the model at hand. Use the "
          "configuration that the run was started with, or another folder."
        )

  def _report_damage(self, step: int, error: Exception) -> None:
    path = self.directory / str(step)
    reason = str(error).split("\n")[0][:200]
    outcome = "is left where it is"
    if not self._read_only:
      aside = self.directory.parent / f"{self.directory.name}-{_DAMAGED}"
      aside.mkdir(exist_ok=True)
      path = path.rename(_unused(aside / str(step)))
      outcome = f"was moved to {path}"
      self._manager.reload()
    warnings.warn(
      f"The checkpoint of step {step} in {self.directory} is damaged "
      f"({type(error).__name__}: {reason}); it {outcome}, and the one before "
      "it is used.",
      stacklevel=3,
    )


def _unused(path: pathlib.Path) -> pathlib.Path:
  """Returns `path`, or with a number added if that exists."""
  number, candidate = 1, path
  while candidate.exists():
    number += 1
    candidate = path.with_name(f"{path.name}-{number}")
  return candidate


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
