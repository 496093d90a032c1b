"""Profiles of a few training steps, for TensorBoard."""

from collections.abc import Callable, Iterator
import contextlib
import itertools
import pathlib
from typing import Any

import jax

from experiments.runs import progress

_BEFORE = 2  # steps: the first ones wait for data


@contextlib.contextmanager
def profiled(
  step: Callable[..., Any], count: int | None, folder: pathlib.Path
) -> Iterator[Callable[..., Any]]:
  """Gives a training step whose third call on is profiled.

  Args:
    step: the compiled step.
    count: calls that are profiled, and what is between them; None for none.
    folder: of the run, from which TensorBoard's profile plugin opens it.
  """
  if count is None:
    yield step
    return
  calls = itertools.count()
  with contextlib.ExitStack() as profile:

    def call(*arguments: Any) -> Any:
      number = next(calls)
      if number == _BEFORE and _attempt(jax.profiler.start_trace, str(folder)):
        profile.callback(_end, folder)
      with jax.profiler.StepTraceAnnotation("train", step_num=number):
        result = step(*arguments)
      if number == _BEFORE + count - 1:
        jax.block_until_ready(result)
        profile.close()
      return result

    yield call


def _end(folder: pathlib.Path) -> None:
  if _attempt(jax.profiler.stop_trace):
    progress.write(f"profile: {folder / 'plugins' / 'profile'}")


def _attempt(function: Callable[..., Any], *arguments: str) -> bool:
  """Returns whether it worked: a profile is not worth a run."""
  try:
    function(*arguments)
  except (OSError, RuntimeError) as error:
    progress.write(f"No profile is written: {error}")
    return False
  return True
