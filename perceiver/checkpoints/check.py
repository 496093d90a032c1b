"""Comparison of arrays with the variables of a model."""

from collections.abc import Mapping
import difflib
from typing import Any

from perceiver import model as perceiver_model
from perceiver.checkpoints import errors


def fits(
  model: perceiver_model.Model,
  variables: perceiver_model.Variables,
  source: str,
) -> None:
  """Raises a CheckpointError unless names, shapes and dtypes are the model's.

  The error names the first difference and how many more there are.
  """
  compare(flatten(model.shapes()), flatten(variables), source)


def compare(
  wanted: Mapping[str, Any], found: Mapping[str, Any], source: str
) -> None:
  """Raises a CheckpointError unless names, shapes and dtypes are as wanted.

  Args:
    wanted: arrays, or their shapes and dtypes, by name.
    found: arrays by name.
    source: what they were found in.
  """
  problems: list[str] = []
  unknown = sorted(found.keys() - wanted.keys())
  for name in sorted(wanted.keys() - found.keys()):
    # Only the first is reported, and likeness takes its time.
    close = [] if problems else difflib.get_close_matches(name, unknown, n=1)
    hint = f" (it has {close[0]})" if close else ""
    problems.append(f"has no {name}{hint}; expected {_describe(wanted[name])}")
  for name in unknown:
    problems.append(f"has {errors.cut(name)}; expected no such array")
  for name in sorted(wanted.keys() & found.keys()):
    want, have = _describe(wanted[name]), _describe(found[name])
    if want != have:
      problems.append(f"has {name} as {have}; expected {want}")
  if problems:
    raise errors.CheckpointError(
      f"Checkpoint: {source} does not fit this model: it {problems[0]}. "
      f"Differences in all: {len(problems)}."
    )


def no_differences(
  found: Mapping[str, tuple[Any, Any]], subject: str, advice: str = ""
) -> None:
  """Raises a CheckpointError that names the first difference, if any.

  Args:
    found: {field: (expected, found)}, of `config_json.differences`.
    subject: of the message, up to the field.
    advice: its end.
  """
  for field, (want, have) in found.items():
    raise errors.CheckpointError(
      f"Checkpoint: {subject} {field or 'config'} is {errors.show(have)}; "
      f"expected {errors.show(want)}. Differences in all: {len(found)}{advice}."
    )


def flatten(variables: perceiver_model.Variables) -> dict[str, Any]:
  """Returns all arrays by collection, module and name."""
  return {
    f"{collection}:{module}:{name}": array
    for collection, tree in variables._asdict().items()
    for module, entries in tree.items()
    for name, array in entries.items()
  }


def unflatten(arrays: Mapping[str, Any]) -> perceiver_model.Variables:
  """Returns variables of arrays by collection, module and name."""
  trees: dict[str, dict[str, dict[str, Any]]] = {"params": {}, "state": {}}
  for full, array in arrays.items():
    collection, module, name = full.split(":")
    trees[collection].setdefault(module, {})[name] = array
  return perceiver_model.Variables(**trees)


def _describe(array: Any) -> str:
  return f"{array.dtype}{list(array.shape)}"
